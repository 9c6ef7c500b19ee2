"""What Pillow can tell about an image. Private to ``image_analysis``; defines no task type and imports nothing here."""
