"""What every contender's language model is told, and the answer that is the same for all."""

SYSTEM = (
    "Answer in plain sentences, about 60 words at most, in the language of the question. "
    "Your answer is read aloud: no Markdown, no lists, no emoji."
)
MAX_TOKENS = 24
WORDS_A_SECOND = 25
ANSWER = (
    "The capital of France is Paris, a large city on the river Seine. "
    "It has many museums and theatres, and people come from all over. "
    "You can reach it by train from anywhere."
)
"""Three sentences, 33 words."""
