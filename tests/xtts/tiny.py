"""A tiny XTTS: the real classes and file formats, with random weights from a seed. It sounds like nothing on earth.

The vocoder and the speaker encoder have fixed sizes, so model.pth has 93 MB: it is made for a session, never kept.
"""

import json
import string
from pathlib import Path

import torch  # type: ignore[import-not-found]
from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig  # type: ignore[import-not-found]
from TTS.tts.models.xtts import Xtts  # type: ignore[import-not-found]

WIDTH = 64
MAX_AUDIO_TOKENS = 8
"""Random weights never say that they are done: every sentence has so many tokens at most, about 46 ms each."""
STREAM_TOKENS = 2
LETTERS = string.ascii_lowercase + string.digits + ".,;:!?'-áàâãéêíóôõúçñ"


def make(folder: Path, seed: int = 7) -> Path:
    """Write config.json, model.pth and vocab.json; give the folder."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    config = XttsConfig()
    tokens = _tokens(config.languages)
    (folder / "vocab.json").write_text(json.dumps(_tokenizer(tokens)), encoding="utf-8")
    config.model_args = XttsArgs(
        gpt_layers=2,
        gpt_n_model_channels=WIDTH,
        gpt_n_heads=2,
        gpt_max_audio_tokens=MAX_AUDIO_TOKENS,
        gpt_max_text_tokens=402,
        gpt_max_prompt_tokens=70,
        gpt_number_text_tokens=len(tokens),
        gpt_start_text_token=tokens["[START]"],
        gpt_stop_text_token=tokens["[STOP]"],
        gpt_num_audio_tokens=1026,
        gpt_start_audio_token=1024,
        gpt_stop_audio_token=1025,
        gpt_use_perceiver_resampler=True,
        decoder_input_dim=WIDTH,
    )
    config.save_json(str(folder / "config.json"))
    model = Xtts(config)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    return folder


def _tokens(languages: list[str]) -> dict[str, int]:
    special = ["[STOP]", "[UNK]", "[SPACE]", *(f"[{language}]" for language in languages), "[START]"]
    return {token: number for number, token in enumerate([*special, *LETTERS])}


def _tokenizer(tokens: dict[str, int]) -> dict[str, object]:
    """A tokenizer of single characters, in the format of the `tokenizers` library."""
    added = [
        {
            "id": number,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token, number in tokens.items()
        if token.startswith("[")
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "[UNK]",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "vocab": tokens,
            "merges": [],
        },
    }
