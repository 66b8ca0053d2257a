"""The licence of XTTS's weights: the operator agrees to it, nobody else can."""

from services.runtime.errors import SettingsError

from ..settings import XttsSettings


def check(settings: XttsSettings) -> None:
    """Raises: SettingsError, with what the licence means, until the operator has agreed."""
    if not settings.coqui_tos_agreed:
        raise SettingsError(
            "COQUI_TOS_AGREED: TTS_ENGINE=xtts speaks with weights under the Coqui Public Model License, which allows "
            "only non-commercial use of the model and of what it says; set COQUI_TOS_AGREED=1 if you agree to that, or "
            "choose another TTS_ENGINE"
        )
