module voicebus-clients

go 1.19

require (
	github.com/gorilla/websocket v1.5.0
	github.com/nats-io/nats.go v1.22.1
)
