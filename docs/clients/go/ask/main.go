// Ask voicebus a question, save the spoken answer as reply.wav: `go run ./ask URL WAV`.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

type answer struct {
	Transcription string
	Llama         string
	Error         *struct{ Code, Message string }
}

// ask gives the answer in text, and its WAV.
func ask(url string, question []byte) (answer, []byte, error) {
	var text answer
	header := http.Header{}
	if key := os.Getenv("VOICEBUS_KEY"); key != "" { // where the edge asks for one
		header.Set("Authorization", "Bearer "+key)
	}
	voicebus, _, err := websocket.DefaultDialer.Dial(url, header)
	if err != nil {
		return text, nil, err
	}
	defer voicebus.Close()
	if err := voicebus.WriteMessage(websocket.BinaryMessage, question); err != nil {
		return text, nil, err
	}
	if err := voicebus.ReadJSON(&text); err != nil {
		return text, nil, err
	}
	if text.Error != nil {
		return text, nil, fmt.Errorf("%s: %s", text.Error.Code, text.Error.Message)
	}
	_, wav, err := voicebus.ReadMessage()
	return text, wav, err
}

func run(url, path string) error {
	question, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, wav, err := ask(url, question)
	if err != nil {
		return err
	}
	fmt.Println("heard:", text.Transcription)
	fmt.Println("answer:", text.Llama)
	return os.WriteFile("reply.wav", wav, 0o644)
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "failed: give the address of the WebSocket and a WAV file")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}
