"""Who was refused is told so; who lost the connection on the way in may try again."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from paramiko import SSHClient
from paramiko.auth_strategy import AuthFailure, AuthResult, SourceResult
from paramiko.ssh_exception import AuthenticationException

from tunewright.remote.connection import ended_during_login


def client(active: bool) -> SSHClient:
    transport = SimpleNamespace(is_active=lambda: active)
    return cast("SSHClient", SimpleNamespace(get_transport=lambda: transport))


def failure(*results: Exception) -> AuthFailure:
    attempts: Any = AuthResult(strategy=cast("Any", None))
    attempts.extend(SourceResult(cast("Any", None), result) for result in results)
    return AuthFailure(result=attempts)


@pytest.mark.parametrize(
    ("error", "active", "ended"),
    [
        (failure(AuthenticationException("Authentication failed.")), True, False),
        (failure(AuthenticationException("Authentication failed.")), False, True),
        (failure(EOFError()), True, True),
        (failure(AuthenticationException("no"), ConnectionResetError()), True, True),
        (AuthenticationException("no"), True, False),
    ],
)
def test_a_connection_that_broke_is_no_refusal(
    error: AuthenticationException, active: bool, ended: bool
) -> None:
    assert ended_during_login(error, client(active)) is ended
