// Ask voicebus a spoken question with nothing but a NATS client: `go run ./publish URL WAV ORIGIN SESSION`.
// Prints what was heard and what was answered, and writes the spoken answer as reply-1.wav, reply-2.wav, ...
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const wait = 60 * time.Second // how long we wait; the stages are told, and stop working then
const queueIsFull = 10077     // the broker's code

type event struct {
	Turn, Attempt, Take, Text, Reply, Code, Message string
	N, Piece                                        int
	End, Last                                       bool
}

type sentence struct {
	attempt string
	n       int
}

type take struct {
	pieces map[int][]byte
	end    int // the number of its last piece; -1 until it has come
}

// An answer is put together here. Nothing is put together across attempts or takes; what comes twice falls on itself.
type answer struct {
	takes   map[sentence]map[string]*take
	last    map[string]int
	replies map[string]string
	newest  string
}

func (a *answer) speech(one event, wav []byte) {
	place := sentence{one.Attempt, one.N}
	if a.takes[place] == nil {
		a.takes[place] = map[string]*take{}
	}
	if a.takes[place][one.Take] == nil {
		a.takes[place][one.Take] = &take{map[int][]byte{}, -1}
	}
	spoken := a.takes[place][one.Take]
	spoken.pieces[one.Piece] = wav
	if one.End {
		spoken.end = one.Piece
	}
}

// whole gives the WAVs of an attempt in order, once each of its sentences has a take with all its pieces.
func (a *answer) whole(attempt string) ([][]byte, bool) {
	wavs := [][]byte{}
	last, known := a.last[attempt]
	for n := 0; known && n <= last; n++ {
		found := false
		for _, spoken := range a.takes[sentence{attempt, n}] {
			if spoken.end < 0 || len(spoken.pieces) != spoken.end+1 {
				continue
			}
			for piece := 0; piece <= spoken.end; piece++ {
				wavs = append(wavs, spoken.pieces[piece])
			}
			found = true
			break
		}
		known = found
	}
	return wavs, known
}

// hear takes an event of our turn; the WAVs are there when the answer is.
func (a *answer) hear(name string, one event, data []byte) ([][]byte, bool, error) {
	if one.Attempt > a.newest { // the name of a later attempt sorts later
		a.newest = one.Attempt
	}
	switch {
	case name == "failed" && (one.Attempt == "" || one.Attempt == a.newest):
		return nil, false, fmt.Errorf("%s: %s", one.Code, one.Message)
	case name == "transcript":
		fmt.Println("heard:", one.Text)
	case name == "speech":
		a.speech(one, data)
	}
	if one.Last {
		a.last[one.Attempt] = one.N
		if one.Reply != "" {
			a.replies[one.Attempt] = one.Reply
		}
	}
	wavs, whole := a.whole(one.Attempt)
	return wavs, whole, nil
}

// follow goes with a turn to its end: its reply and its WAVs.
func follow(heard *nats.Subscription, turn string) (string, [][]byte, error) {
	made := answer{map[sentence]map[string]*take{}, map[string]int{}, map[string]string{}, ""}
	for deadline := time.Now().Add(wait); ; {
		message, err := heard.NextMsg(time.Until(deadline))
		if err != nil {
			return "", nil, fmt.Errorf("no answer within %d s, or the connection was lost: %w", wait/time.Second, err)
		}
		name := strings.Split(message.Subject, ".")[1]
		text := []byte(message.Header.Get("Voice-Event")) // beside a WAV; any other event is its body
		if len(text) == 0 {
			text = message.Data
		}
		var one event
		if name == "utterance" || json.Unmarshal(text, &one) != nil || one.Turn != turn {
			continue
		}
		wavs, whole, err := made.hear(name, one, message.Data)
		if err != nil || whole {
			return made.replies[one.Attempt], wavs, err
		}
	}
}

// fresh is a name for a question that nobody else has.
func fresh() string {
	name := make([]byte, 16)
	if _, err := rand.Read(name); err != nil {
		panic(err)
	}
	return hex.EncodeToString(name)
}

// ask publishes a question and follows its turn.
func ask(client *nats.Conn, wav []byte, origin, session string) (string, [][]byte, error) {
	turn := fresh()
	heard, err := client.SubscribeSync("voice.*." + origin + "." + session) // before the question: an answer may be quick
	if err != nil {
		return "", nil, err
	}
	question := nats.NewMsg("voice.utterance." + origin + "." + session)
	question.Data = wav
	question.Header.Set("Voice-Event", fmt.Sprintf(`{"turn":"%s","timeout_ms":%d}`, turn, wait.Milliseconds()))
	question.Header.Set("Nats-Msg-Id", fmt.Sprintf("%s.%s.%s.0.utterance", origin, session, turn))
	stream, err := client.JetStream()
	if err == nil {
		var stored *nats.PubAck
		stored, err = stream.PublishMsg(question)
		if err == nil && stored.Duplicate { // a message of this id was there before: not ours, which has just been made
			err = errors.New("the name of this question is taken: ask again")
		}
	}
	if err != nil {
		return "", nil, err
	}
	reply, wavs, err := follow(heard, turn)
	if err != nil {
		client.Publish("voice.cancel."+origin+"."+session, []byte(`{"turn":"`+turn+`"}`))
		client.Flush()
	}
	return reply, wavs, err
}

func run(url, path, origin, session string) error {
	wav, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	client, err := nats.Connect(url, nats.NoReconnect())
	if err != nil {
		return err
	}
	defer client.Close()
	reply, wavs, err := ask(client, wav, origin, session)
	if err != nil {
		return err
	}
	fmt.Println("answer:", reply)
	for i, wav := range wavs {
		if len(wav) == 0 { // an empty one only ends a sentence
			continue
		}
		if err := os.WriteFile(fmt.Sprintf("reply-%d.wav", i+1), wav, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "failed: give the address of the broker, a WAV file, an origin and a session")
		os.Exit(2)
	}
	err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	var refused *nats.APIError
	if errors.As(err, &refused) && refused.ErrorCode == queueIsFull {
		fmt.Fprintln(os.Stderr, "busy: ask again in a moment")
		os.Exit(1)
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}
