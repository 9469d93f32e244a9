"""How a run is answered to whoever invoked it, in the words of both generations of clients."""

from dataclasses import dataclass

from invoker.runtime import Outcome, Result

PREFIX = "com.liveperson.faas."
# Of the vendor's own: no client takes it for trouble of the platform, and none asks again.
LAMBDA_ERROR = 901


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no result. `v1_code` and `v2_code` are what clients look at."""

    status: int
    v1_code: str
    v2_code: str
    message: str

    @property
    def body(self) -> dict[str, str]:
        """The fields of both generations, so that no client has to be recognised."""
        return {
            "errorCode": self.v1_code,
            "errorMsg": self.message,
            "code": self.v2_code,
            "message": self.message,
        }


def refusal(result: Result) -> Refusal | None:
    """Why a run gave no result; None when it did. Source: `liveperson-contract.md` §2.3.

    What the function did is never a 429 or 5xx: clients would run it three times more.
    """
    if result.outcome == Outcome.SUCCEEDED:
        return None
    code, message = "unknown", "The run gave no result"
    if result.failure:
        code, message = result.failure.code, result.failure.message
    if result.outcome == Outcome.TIMEOUT:
        return _lambda_error("executiontime-exceeded", "execution-exceeded", message)
    if result.outcome == Outcome.CODING_FAILURE:
        if code == "custom-failure":
            return _lambda_error("custom-failure", "threw-error", message)
        return _lambda_error("runtime-exception", "js-runtime-error", message)
    status = 429 if code == "busy" else 500
    return Refusal(status, f"{PREFIX}es.general", f"{PREFIX}evg.general", message)


def not_found(message: str) -> Refusal:
    return Refusal(404, f"{PREFIX}es.missinglambda", f"{PREFIX}function.not-found", message)


def not_deployed(message: str) -> Refusal:
    """Only the older generation tells this from a function that does not exist."""
    return Refusal(404, f"{PREFIX}es.notdeployed", f"{PREFIX}function.not-found", message)


def _lambda_error(v1: str, v2: str, message: str) -> Refusal:
    return Refusal(
        LAMBDA_ERROR, f"{PREFIX}handler.{v1}", f"com.customer.faas.function.{v2}", message
    )
