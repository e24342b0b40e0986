"""PersistentVolumeClaims: the folders in which all the department's pods keep files."""

from __future__ import annotations

from city_backbone.registration import Registration

from meshctl.render import names, sizes
from meshctl.render.names import Object


def objects(service: Registration) -> list[Object]:
    """One per `folders`. The overlay names a class of storage that several nodes can write."""
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": names.metadata(
                names.folder(setting),
                names.tenant(service.service),
                names.labels(service.service),
            ),
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": f"{sizes.FOLDER_GIB}Gi"}},
            },
        }
        for setting in service.folders
    ]
