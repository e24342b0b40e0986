"""Everything meshctl gives up with. The command line shows the message alone.

MeshctlError
├── SettingsError        a setting or option is wrong (exit code 2)
├── PrerequisiteError    something the machine must have is missing (exit code 2)
├── PortTakenError       a port is in use
├── AlreadyRunningError  a second `up` on one state folder
├── NotRunningError      a command that needs a running stack finds none
├── PartFailedError      a part ended or did not become ready
├── ApplyError           the broker, registry or database refused what is registered
└── CheckFailedError     `meshctl check` found something
"""


class MeshctlError(Exception):
    """The root; ``exit_code`` is the process's."""

    exit_code = 1


class SettingsError(MeshctlError):
    """A setting or option is wrong."""

    exit_code = 2


class PrerequisiteError(MeshctlError):
    """Something the machine must have is missing."""

    exit_code = 2


class PortTakenError(MeshctlError):
    """A port is in use by something else."""


class AlreadyRunningError(MeshctlError):
    """A stack already runs on this state folder."""


class NotRunningError(MeshctlError):
    """No stack runs on this state folder."""


class PartFailedError(MeshctlError):
    """A part ended, or did not become ready in time."""


class ApplyError(MeshctlError):
    """What is registered was refused by the broker, the registry or the database."""


class CheckFailedError(MeshctlError):
    """A registration, schema or contract is wrong."""
