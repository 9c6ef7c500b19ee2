"""The nightly report, whole: tables, a report, a mail, and a webhook at the end; results that are passed on."""

from __future__ import annotations

from service.client import AsyncClient, chain, group, result_of, step
from tests.support.receiver import Receiver
from tests.support.smtp_server import SmtpServer

SALES = [{"city": "Oslo", "sold": 3}, {"city": "Rome", "sold": 5}, {"city": "Oslo", "sold": 4}]
BY_CITY = [{"op": "group_by", "by": ["city"], "aggregate": {"sold": "sum"}}, {"op": "sort", "by": "city"}]


async def test_a_nightly_report_is_mailed_and_its_end_is_told(client: AsyncClient, smtp: SmtpServer) -> None:
    mail = {
        "to": "nightly@example.com",
        "subject": result_of("cities", "/rows/0/city"),
        "body": result_of("report", "/files/html"),
    }
    nightly = chain(
        group(
            step("data_processing", {"rows": SALES, "operations": BY_CITY}, name="cities"),
            step("generate_report", {}, name="report"),
        ),
        step("send_notification_email", mail, name="mail"),
    )
    secret = (await client.webhook_secret()).secret
    async with Receiver() as receiver:
        flow = await client.submit_workflow(nightly, name="nightly-report", callback_url=receiver.url)
        assert flow.nodes["mail"].status == "WAITING"
        [call] = await receiver.got(1, timeout=60)
    event = call.verified(secret)
    assert (event["type"], event["data"]["id"]) == ("workflow.completed", flow.id)
    assert event["data"]["progress"]["completed"] == 3
    done = await client.workflow(flow.id)
    assert done.is_completed
    assert {name: node.attempt for name, node in done.nodes.items()} == {"cities": 1, "report": 1, "mail": 1}
    report = await client.get(str(done.nodes["report"].task))
    [sent] = [mail for mail in smtp.mails if mail.recipients == ["nightly@example.com"]]
    assert sent.message["subject"] == "Oslo"
    assert report.result["files"]["html"] in sent.message.get_content()
    [delivery] = await client.workflow_deliveries(flow.id)
    assert (delivery.id, delivery.workflow, delivery.state) == (call.id, flow.id, "delivered")


async def test_a_chain_passes_results_on_without_waiting_for_the_poll(client: AsyncClient) -> None:
    steps = [step("simple_calculation", {"a": 0, "b": 1, "operation": "add"}, name="n0")]
    for n in range(1, 12):
        given = {"a": result_of(f"n{n - 1}", "/result"), "b": 1, "operation": "add"}
        steps.append(step("simple_calculation", given, name=f"n{n}"))
    flow = await client.submit_workflow(chain(*steps))
    done = await client.wait_workflow(flow.id, timeout=60, check=True)
    last = await client.get(str(done.nodes["n11"].task))
    assert last.result == {"operation": "add", "result": 12}


async def test_a_result_that_is_no_input_fails_the_node_with_a_word(client: AsyncClient) -> None:
    steps = chain(
        step("shout", {"text": "hello"}, name="a"),
        step("simple_calculation", {"a": result_of("a", "/text"), "b": 1, "operation": "add"}, name="b"),
        step("shout", {"text": "never"}, name="c"),
    )
    flow = await client.submit_workflow(steps)
    done = await client.wait_workflow(flow.id, timeout=60)
    assert {name: node.status for name, node in done.nodes.items()} == {
        "a": "COMPLETED",
        "b": "FAILED",
        "c": "CANCELLED",
    }
    error = done.nodes["b"].error
    assert error is not None
    assert error.type == "invalid_input"
    assert "/a" in error.message
