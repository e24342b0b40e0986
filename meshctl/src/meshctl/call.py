"""`meshctl call`: any RPC of the mesh as JSON, by the server's own reflection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from meshctl.errors import MeshctlError


def call(
    environment: Mapping[str, str],
    method: str,
    requests: Sequence[str],
    deadline_seconds: float,
) -> Iterator[str]:
    """Call `package.Service/Method` as the operator; yields each answer as one line of JSON.

    `requests` are JSON objects, several for a client stream. Raises MeshctlError with the
    status and its details when the call fails.
    """
    service, _, name = method.partition("/")
    department = service.split(".")[1] if service.startswith("city.") else ""
    peers: dict[str, str] = json.loads(environment["OPERATOR_PEERS"])
    if not name or department not in peers:
        known = ", ".join(sorted(peers)) or "none"
        raise MeshctlError(
            f"{method}: expected city.<department>.v1.Service/Method of a running one ({known})"
        )
    channel = grpc.secure_channel(
        peers[department],
        grpc.ssl_channel_credentials(
            *(
                Path(environment[f"OPERATOR_TLS__{part}_FILE"]).read_bytes()
                for part in ("CA", "KEY", "CERT")
            )
        ),
        options=[("grpc.ssl_target_name_override", department)],
    )
    with channel:
        try:
            yield from _answers(channel, service, name, requests, deadline_seconds)
        except grpc.RpcError as error:
            raise MeshctlError(f"{method}: {error.code().name}: {error.details()}") from error


def _answers(
    channel: grpc.Channel, service: str, name: str, requests: Sequence[str], deadline: float
) -> Iterator[str]:
    grpc.channel_ready_future(channel).result(timeout=deadline)
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    try:
        found: MethodDescriptor = pool.FindServiceByName(service).methods_by_name[name]
    except KeyError:
        raise MeshctlError(f"{service}/{name}: the server has no such method") from None
    request_type = message_factory.GetMessageClass(found.input_type)
    response_type = message_factory.GetMessageClass(found.output_type)
    try:
        messages = [json_format.Parse(text, request_type()) for text in requests]
    except json_format.ParseError as error:
        raise MeshctlError(f"request: {error}") from error
    shape = (
        ("stream" if found.client_streaming else "unary")
        + "_"
        + ("stream" if found.server_streaming else "unary")
    )
    multicallable: Any = getattr(channel, shape)(
        f"/{service}/{name}",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    if not found.client_streaming and len(messages) != 1:
        raise MeshctlError(f"{service}/{name}: expected one request, got {len(messages)}")
    argument = iter(messages) if found.client_streaming else messages[0]
    answer = multicallable(argument, timeout=deadline)
    for message in answer if found.server_streaming else (answer,):
        yield json_format.MessageToJson(message, indent=None, ensure_ascii=False)
