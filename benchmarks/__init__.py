"""What the service costs, measured on real servers beside a yardstick. Never part of the product, asserts no speed."""
