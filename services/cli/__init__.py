"""The `voicebus` command, and the WebSocket client that benches and tests share with it."""
