"""Reads a topic with nothing of ours: `eval $(meshctl env integrator)`, then this and a topic."""

import io
import json
import os
import sys
import urllib.request

import fastavro
from confluent_kafka import Consumer

names = {"BOOTSTRAP_SERVERS": "bootstrap.servers", "SECURITY_PROTOCOL": "security.protocol"}
names |= {"SASL_MECHANISM": "sasl.mechanism", "USERNAME": "sasl.username"}
names |= {"PASSWORD": "sasl.password"}
login = {setting: os.environ[f"INTEGRATOR_KAFKA__{name}"] for name, setting in names.items()}
consumer = Consumer({**login, "group.id": "integrator-1", "auto.offset.reset": "earliest"})
consumer.subscribe(sys.argv[1:])
schemas = {}
while message := consumer.poll(30):  # ends after 30 quiet seconds
    head, body = message.value()[:5], message.value()[5:]
    if head not in schemas:
        url = f"{os.environ['INTEGRATOR_REGISTRY__URL']}/schemas/ids/{int.from_bytes(head[1:])}"
        schemas[head] = json.loads(json.load(urllib.request.urlopen(url))["schema"])
    event_id = dict(message.headers())["ce_id"].decode()  # seen before: a repeat, drop it
    print(event_id, fastavro.schemaless_reader(io.BytesIO(body), schemas[head], None), flush=True)
