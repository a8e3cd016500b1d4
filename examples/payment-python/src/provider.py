"""A payment provider as providers are: it may refuse, be busy, or answer too late, and it does nothing twice for one key.

It stands in for a real one. Replace the bodies with calls of your provider, and hand on the key as its idempotency key:
a request whose outcome is unknown can then be repeated, or compensated, without asking what became of it.
"""

import os
import time

from aws import call, failure

TABLE = os.environ["PROVIDER_TABLE"]
# Longer than the state machine waits.
TOO_LONG_SECONDS = 7


def authorise(event, context):
    return once("authorise", "authorised", event)


def capture(event, context):
    return once("capture", "captured", event)


# Both compensations may come though nothing was done: then they only see to it that nothing will be.


def refund(event, context):
    return take_back(f"{event['key']}#capture", "refunded")


def void_authorisation(event, context):
    return take_back(f"{event['key']}#authorise", "voided")


def once(request, status, event):
    payment, pk = event["payment"], f"{event['key']}#{request}"
    trouble = TROUBLE.get((payment["card"], request), lambda work, pk: work())
    trouble(lambda: write(pk, status, payment), pk)
    return {f"{request}_id": pk}


def write(pk, status, payment):
    """What was taken back is not taken again: a repeated request that comes late changes nothing."""
    update(
        pk,
        "SET #status = :status, amount = :amount",
        {":status": {"S": status}, ":amount": {"N": str(payment["amount"])}},
        ConditionExpression="attribute_not_exists(#status) OR #status = :status",
        ExpressionAttributeNames={"#status": "status"},
    )


def take_back(pk, status):
    names = {"#status": "status"}
    update(pk, "SET #status = :status", {":status": {"S": status}}, ExpressionAttributeNames=names)
    return {"status": status}


def update(pk, expression, values, **more):
    key = {"pk": {"S": pk}}
    parameters = {"UpdateExpression": expression, "ExpressionAttributeValues": values, **more}
    return call("dynamodb", "UpdateItem", {"TableName": TABLE, "Key": key, **parameters})


def declined(work, pk):
    raise failure("CardDeclined", "The bank has declined the card")


def blocked(work, pk):
    raise failure("CaptureRefused", "The bank has blocked the card since")


def busy_once(work, pk):
    asked = update(f"{pk}#asked", "ADD times :one", {":one": {"N": "1"}}, ReturnValues="UPDATED_NEW")
    if asked["Attributes"]["times"]["N"] == "1":
        raise failure("ProviderBusy", "Try again")
    work()


def answer_too_late(work, pk):
    """The money is held, and nobody hears of it."""
    work()
    time.sleep(TOO_LONG_SECONDS)


# Cards that go wrong: what becomes of a request. Given its work and its key.
TROUBLE = {
    ("declined", "authorise"): declined,
    ("blocked", "capture"): blocked,
    ("busy", "authorise"): busy_once,
    ("slow", "authorise"): answer_too_late,
}
