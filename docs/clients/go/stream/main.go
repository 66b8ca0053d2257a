// Ask voicebus a question, hear the answer while it is made: `go run ./stream URL WAV`.
// Each piece of the answer is a WAV file: reply-1.wav, reply-2.wav, ...
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

// A frame is one of several kinds; the members that are there say which.
type frame struct {
	Transcription *string
	Llama         *string
	N             *int
	Restarted     bool
	Done          bool
	Error         *struct{ Code, Message string }
}

// ask prints the words as they come, and gives the WAVs of the answer in order.
func ask(url string, question []byte) ([][]byte, error) {
	header := http.Header{}
	if key := os.Getenv("VOICEBUS_KEY"); key != "" { // where the edge asks for one
		header.Set("Authorization", "Bearer "+key)
	}
	voicebus, _, err := websocket.DefaultDialer.Dial(url+"?stream=1", header)
	if err != nil {
		return nil, err
	}
	defer voicebus.Close()
	// To interrupt: another WriteMessage, or WriteJSON(map[string]any{"cancel": true, "sentences": 1}).
	if err := voicebus.WriteMessage(websocket.BinaryMessage, question); err != nil {
		return nil, err
	}
	return follow(voicebus)
}

func follow(voicebus *websocket.Conn) ([][]byte, error) {
	var wavs [][]byte
	for {
		var one frame
		if err := voicebus.ReadJSON(&one); err != nil {
			return nil, err
		}
		switch {
		case one.Error != nil:
			return nil, fmt.Errorf("%s: %s", one.Error.Code, one.Error.Message)
		case one.Done:
			fmt.Println("answer:", *one.Llama)
			return wavs, nil
		case one.Restarted: // what came so far does not count
			wavs = nil
		case one.N != nil: // the next frame is the sound of this sentence, or of a further piece of it
			_, wav, err := voicebus.ReadMessage() // a player would play it here and now
			if err != nil {
				return nil, err
			}
			wavs = append(wavs, wav)
			if one.Llama != nil {
				fmt.Printf("sentence %d: %s\n", *one.N, *one.Llama)
			}
		case one.Transcription != nil:
			fmt.Println("heard:", *one.Transcription)
		}
	}
}

func run(url, path string) error {
	question, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	wavs, err := ask(url, question)
	if err != nil {
		return err
	}
	for i, wav := range wavs {
		if err := os.WriteFile(fmt.Sprintf("reply-%d.wav", i+1), wav, 0o644); err != nil {
			return err
		}
	}
	return nil
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
