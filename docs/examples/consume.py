"""Read a topic of the mesh with nothing of ours: confluent-kafka, fastavro and the registry."""
import io, json, os, struct, sys, urllib.request
import fastavro
from confluent_kafka import Consumer

env = {k.removeprefix("INTEGRATOR_"): v for k, v in os.environ.items()}
consumer = Consumer({"bootstrap.servers": env["KAFKA__BOOTSTRAP_SERVERS"], "group.id": "integrator-1",
    "security.protocol": env["KAFKA__SECURITY_PROTOCOL"], "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": env["KAFKA__USERNAME"], "sasl.password": env["KAFKA__PASSWORD"],
    "auto.offset.reset": "earliest"})
consumer.subscribe([sys.argv[1]])
schemas = {}
for message in iter(lambda: consumer.poll(30), None):  # ends after 30 quiet seconds
    number = struct.unpack(">I", message.value()[1:5])[0]
    if number not in schemas:
        url = f"{env['REGISTRY__URL']}/schemas/ids/{number}"
        schemas[number] = fastavro.parse_schema(json.loads(json.load(urllib.request.urlopen(url))["schema"]))
    event_id = dict(message.headers())["ce_id"].decode()  # the same event has the same id: keep it to drop repeats
    print(event_id, fastavro.schemaless_reader(io.BytesIO(message.value()[5:]), schemas[number], None), flush=True)
