"""One sample of every event, with a value other than its default in every field."""

from bus_schemas import Cancel, Dead, Event, Failed, Heard, Sentence, Speech, Step, Transcript, Utterance

WAV = (
    b"RIFF\x26\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00"
    b"data\x02\x00\x00\x00\xff\x7f"
)
"""A whole WAV file: 16 kHz, mono, 16-bit, one sample."""

STT = Step(stage="stt", worker="host-1", queue_ms=1.5, service_ms=250.0)
LLM = Step(stage="llm", worker="host-2", queue_ms=0.5, service_ms=90.25)
TTS = Step(stage="tts", worker="host-3", queue_ms=2.0, service_ms=120.0)
HEARD = Heard(turn="6-18bcfe56800", sentences=2)
ATTEMPT = "018bcfe5680-9f8e7d6c5b"
TAKE = "018bcfe56c4-0a1b2c3d4e"

SAMPLES: tuple[Event, ...] = (
    Utterance(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT,),
        timeout_ms=30_000,
        heard=HEARD,
        wav=WAV,
    ),
    Transcript(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT,),
        text="Olá, você está aí? 👋",
        seconds=1.25,
        heard=HEARD,
    ),
    Sentence(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT, LLM),
        n=1,
        text="Até já! 👋",
        last=True,
        transcription="Olá, você está aí? 👋",
        reply="Estou. Até já! 👋",
    ),
    Speech(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT, LLM, TTS),
        n=1,
        take=TAKE,
        piece=2,
        end=True,
        last=True,
        text="Até já! 👋",
        transcription="Olá, você está aí? 👋",
        reply="Estou. Até já! 👋",
        wav=WAV,
    ),
    Failed(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT, LLM),
        stage="tts",
        code="refused.voice",
        message="nobody here has the voice 'João'; ask for man or woman",
        retry_after=2.5,
    ),
    Cancel(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT,),
    ),
    Dead(
        origin="kiosk-7",
        session="42",
        turn="7-18bcfe56800",
        run=1,
        attempt=ATTEMPT,
        language="pt",
        voice="woman",
        deadline=1_700_000_030_000,
        trail=(STT,),
        stage="llm",
        code="crashed",
        reason="it was delivered 6 times and never finished",
        subject="voice.transcript.kiosk-7.42",
        sequence=9,
        deliveries=6,
        headers={"Nats-Msg-Id": "kiosk-7.42.7-18bcfe56800.1.transcript", "Note": "você"},
        body=b'{"text":"Ol\xc3\xa1","seconds":1.25}',
    ),
)
