"""What is asked of the bank and the carrier: a row for each, by the order, so that everything may be repeated.

Both stand in for real ones: replace the bodies with calls of yours, with the order's id as the idempotency key.
"""

import os

from aws import call, failure


def put(pk, status):
    parameters = {
        "TableName": os.environ["ORDERS_TABLE"],
        "Key": {"pk": {"S": pk}},
        "UpdateExpression": "SET #status = :status",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":status": {"S": status}},
    }
    call("dynamodb", "UpdateItem", parameters)


def charge(event, context):
    order = event["order"]
    if order["card"] == "declined":
        raise failure("CardDeclined", "The bank has declined the card")
    put(f"PAYMENT#{order['id']}", "charged")


def refund(event, context):
    """The money goes back, whether or not it came."""
    put(f"PAYMENT#{event['order']['id']}", "refunded")


def ship(event, context):
    order = event["order"]
    if order["address"] == "nowhere":
        raise failure("AddressUnknown", "The carrier does not know the address")
    put(f"SHIPMENT#{order['id']}", "sent")
    return {"tracking": f"T-{order['id']}"}


def cancel_shipment(event, context):
    """Nothing is sent, whether or not it was asked for."""
    put(f"SHIPMENT#{event['order']['id']}", "cancelled")
