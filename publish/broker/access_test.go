package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/rs/zerolog"

	"facesieve/publish/event"
	"facesieve/publish/publishtest"
)

const someStatus = "facesieve/gate/status"

// Only the daemon can publish, whatever the topic, the version and the quality of service, and no last will is
// published.
func TestTakesMessagesOfTheDaemonAlone(t *testing.T) {
	var text publishtest.Log
	b := startTest(t, zerolog.New(&text), nil, nil)
	w := publishtest.Record(t, "tcp://"+b.Addr(), "#")
	daemon := connectDaemon(t, b, daemonID)
	deliver(t, daemon, someStatus, true, []byte("online"))
	publishtest.Eventually(t, "online", func() bool { return w.Last(someStatus) == "online" })
	for _, topic := range []string{
		someStatus, "facesieve/gate/door/face", "facesieve/gate/door/state", "other/topic", "$SYS/broker/version",
	} {
		for version := byte(4); version <= 5; version++ {
			for qos := range byte(3) {
				c := rawConnected(t, b.Addr(), "forger", func(pk *packets.Packet) {
					pk.ProtocolVersion = version
					pk.Connect.WillFlag, pk.Connect.WillRetain, pk.Connect.WillQos = true, true, 1
					pk.Connect.WillTopic, pk.Connect.WillPayload = topic, []byte("will")
				})
				c.publish(topic, qos, true, []byte("forged"))
				if version == 5 && qos > 0 && !strings.HasPrefix(topic, "$") {
					if pk, err := c.receive(); err != nil || pk.ReasonCode != packets.ErrNotAuthorized.Code {
						t.Errorf("%s, QoS %d: %#x, %v", topic, qos, pk.ReasonCode, err)
					}
				}
				if version == 4 && qos > 0 && !strings.HasPrefix(topic, "$") {
					c.ended()
				}
				_ = c.Close()
			}
		}
	}
	deliverAll(t, daemon, "facesieve/gate/door/face", 1, 10)
	publishtest.Eventually(t, "the daemon's", func() bool { return len(w.On("facesieve/gate/door/face")) > 0 })
	for _, m := range w.Messages() {
		if strings.HasPrefix(string(m.Payload()), "forged") || string(m.Payload()) == "will" {
			t.Error(m.Topic(), string(m.Payload()))
		}
	}
	if got := b.server.Topics.Retained.GetAll()[someStatus]; string(got.Payload) != "online" {
		t.Errorf("retained: %s", got.Payload)
	}
	if n := strings.Count(text.String(), "only facesieve publishes here"); n == 0 || n > 3 {
		t.Errorf("logged %d times", n)
	}
	if s := b.Stats(); s.RefusedMessages < 24 {
		t.Errorf("%+v", s)
	}
}

// Clients can publish to the permitted topics, and nothing of it is retained, their last wills included.
func TestPermittedTopics(t *testing.T) {
	const command, birth = "facesieve/gate/door/set/policy", "homeassistant/status"
	b := startTest(t, testLog(t), nil, nil)
	w := publishtest.Record(t, "tcp://"+b.Addr(), "#")
	b.Permit("facesieve/gate/+/set/+", birth)
	for version := byte(4); version <= 5; version++ {
		c := rawConnected(t, b.Addr(), "home", func(pk *packets.Packet) {
			pk.ProtocolVersion = version
			pk.Connect.WillFlag, pk.Connect.WillRetain, pk.Connect.WillQos = true, true, 1
			pk.Connect.WillTopic, pk.Connect.WillPayload = birth, []byte("offline")
		})
		for _, topic := range []string{command, birth} {
			w.Clear()
			c.publish(topic, 1, true, []byte("x"))
			if pk, err := c.receive(); err != nil || pk.ReasonCode != 0 {
				t.Errorf("%s: %#x, %v", topic, pk.ReasonCode, err)
			}
			publishtest.Eventually(t, topic, func() bool { return w.Last(topic) == "x" })
		}
		_ = c.Close()
		publishtest.Eventually(t, "the last will", func() bool { return w.Last(birth) == "offline" })
	}
	for _, topic := range []string{
		"facesieve/gate/door/set", "facesieve/gate/door/set/policy/x", "facesieve/gate/a/door/set/policy",
		"facesieve/other/door/set/policy", "homeassistant/device/x/config", someStatus, "",
	} {
		c := rawConnected(t, b.Addr(), "home", func(pk *packets.Packet) { pk.ProtocolVersion = 5 })
		c.publish(topic, 1, false, []byte("forged"))
		if pk, err := c.receive(); err == nil && pk.FixedHeader.Type == packets.Puback && pk.ReasonCode == 0 {
			t.Errorf("%s is permitted", topic)
		}
		_ = c.Close()
	}
	b.Permit()
	c := rawConnected(t, b.Addr(), "home", func(pk *packets.Packet) { pk.ProtocolVersion = 5 })
	c.publish(command, 1, false, []byte("late"))
	if pk, err := c.receive(); err != nil || pk.ReasonCode != packets.ErrNotAuthorized.Code {
		t.Errorf("%#x, %v", pk.ReasonCode, err)
	}
	for _, m := range w.Messages() {
		if text := string(m.Payload()); text == "forged" || text == "late" {
			t.Error(m.Topic(), text)
		}
	}
	for topic := range b.server.Topics.Retained.GetAll() {
		if !strings.HasPrefix(topic, "$") {
			t.Errorf("%s is retained", topic)
		}
	}
}

// A topic alias does not bypass the access check.
func TestRefusesTopicAliases(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	c := rawConnected(t, b.Addr(), "alias", func(pk *packets.Packet) { pk.ProtocolVersion = 5 })
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish}, ProtocolVersion: 5,
		TopicName: someStatus, Payload: []byte("x"),
	}
	pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 1, true
	c.send(pk, pk.PublishEncode)
	c.ended()
}

// A client that continues to publish is disconnected, at QoS 0 as well.
func TestDropsForgersThatPersist(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	c := rawConnected(t, b.Addr(), "forger", nil)
	for range 2 * refusals {
		c.publish(someStatus, 0, false, []byte("x"))
	}
	c.ended()
	if s := b.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
}

// The client id of the daemon is reserved, whether it is connected or not, and so is every other id that it uses.
func TestReservesTheDaemonsID(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	steal := func(id string) {
		t.Helper()
		for version, want := range map[byte]byte{4: 2, 5: packets.ErrClientIdentifierNotValid.Code} {
			c := rawDial(t, b.Addr())
			if code := c.hello(id, func(pk *packets.Packet) { pk.ProtocolVersion = version }); code != want {
				t.Errorf("%s, version %d: %#x", id, version, code)
			}
			c.ended()
		}
	}
	steal(daemonID)
	daemon := connectDaemon(t, b, daemonID)
	steal(daemonID)
	other := connectDaemon(t, b, "other")
	steal("other")
	other.Disconnect(100)
	publishtest.Eventually(t, "other has left",
		func() bool { _, there := b.server.Clients.Get("other"); return !there })
	rawConnected(t, b.Addr(), "other", nil)
	if !daemon.IsConnectionOpen() {
		t.Error("the daemon is disconnected")
	}
}

// The numbers of clients and of unfinished connections are bounded. The daemon is not counted, and a client that
// connects again is always admitted.
func TestBoundsItsClients(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.clients, l.unfinished = 3, 2 })
	first := rawDial(t, b.Addr())
	var silent []*rawClient
	for range 4 {
		silent = append(silent, rawDial(t, b.Addr()))
	}
	first.ended() // the oldest are closed
	silent[0].ended()
	for i := range 3 {
		rawConnected(t, b.Addr(), fmt.Sprintf("idle%d", i), nil)
	}
	for version, want := range map[byte]byte{4: 3, 5: packets.ErrServerBusy.Code} {
		c := rawDial(t, b.Addr())
		if code := c.hello("late", func(pk *packets.Packet) { pk.ProtocolVersion = version }); code != want {
			t.Errorf("version %d: %#x", version, code)
		}
	}
	rawConnected(t, b.Addr(), "idle1", nil)
	connectDaemon(t, b, daemonID)
	if s := b.Stats(); s.Refused != 2 || s.Dropped < 2 {
		t.Errorf("%+v", s)
	}
}

// The rate of connections from one address is bounded.
func TestBoundsConnectionsOfAnAddress(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.connections, l.burst = 0.001, 3 })
	for i := range 3 {
		rawConnected(t, b.Addr(), fmt.Sprintf("c%d", i), nil)
	}
	rawDial(t, b.Addr()).ended()
	if s := b.Stats(); s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

// A client must complete its connection, and every packet that it begins, in time; there is no keep-alive here.
func TestBoundsTheTimeOfAPacket(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) {
		l.greeting, l.stall = 1500*time.Millisecond, 500*time.Millisecond
	})
	idle := rawConnected(t, b.Addr(), "idle", nil)
	var slow []*rawClient
	begin := func(c *rawClient, bytes string) {
		t.Helper()
		if _, err := c.Write([]byte(bytes)); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	for _, bytes := range []string{"", "\x10", "\x10\x20\x00\x04MQ"} {
		begin(rawDial(t, b.Addr()), bytes)
	}
	for i, bytes := range []string{"\x82", "\x82\x80", "\x82\x20\x00\x01"} {
		begin(rawConnected(t, b.Addr(), fmt.Sprint("slow", i), nil), bytes)
	}
	for _, c := range slow {
		c.ended()
	}
	if s := b.Stats(); s.Dropped != uint64(len(slow)) {
		t.Errorf("%+v", s)
	}
	idle.subscribe(0, "#") // still there
}

func TestBoundsPackets(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.firstPacket, l.packet = 1000, 2000 })
	c := rawDial(t, b.Addr())
	_, _ = c.Write([]byte("\x10\xff\xff\xff\x7f"))
	c.ended()
	c = rawDial(t, b.Addr())
	_, _ = c.Write([]byte("\x10\xff\xff\xff\xff\x7f")) // five bytes of length
	c.ended()
	c = rawConnected(t, b.Addr(), "client", nil)
	c.publish("x", 0, false, make([]byte, 3000))
	c.ended()
	c = rawDial(t, b.Addr())
	if code := c.hello(strings.Repeat("x", event.MaxName+1), nil); code != 2 {
		t.Errorf("long client id: %#x", code)
	}
	deliverAll(t, connectDaemon(t, b, daemonID), "faces/door", 1, event.MaxPayload-10)
}

func TestBoundsSubscriptions(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.filters = 3 })
	deep := strings.Repeat("+/", 100) + "+"
	for version, want := range map[byte]byte{4: 0x80, 5: packets.ErrQuotaExceeded.Code} {
		c := rawConnected(t, b.Addr(), "client", func(pk *packets.Packet) { pk.ProtocolVersion = version })
		got := c.subscribe(0, "a", "b", "c", "d", deep, "a")
		if !slices.Equal(got, []byte{0, 0, 0, want, want, want}) {
			t.Errorf("version %d: %v", version, got)
		}
		if got := c.subscribe(0, "a", "e"); !slices.Equal(got, []byte{0, want}) {
			t.Errorf("version %d: %v", version, got)
		}
		_ = c.Close()
	}
	b = startTest(t, testLog(t), nil, func(l *limits) { l.allFilters = 10 })
	c := rawConnected(t, b.Addr(), "client", nil)
	if got := c.subscribe(0, "abcdef", "abc", "ab", "abc"); !slices.Equal(got, []byte{0, 0, 0x80, 0x80}) {
		t.Errorf("more than 10 bytes: %v", got)
	}
}

// A home automation system subscribes to each kind of entity on its own.
func TestManySubscriptions(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	c := rawConnected(t, b.Addr(), "home", nil)
	for i := range defaultLimits().filters {
		if got := c.subscribe(0, fmt.Sprintf("homeassistant/component_%d/+/config", i)); !slices.Equal(got, []byte{0}) {
			t.Fatalf("subscription %d: %v", i, got)
		}
	}
}

// A retained status does not age, and the number and size of retained messages are bounded.
func TestKeepsRetainedMessages(t *testing.T) {
	b := startTest(t, testLog(t), nil, func(l *limits) { l.retained, l.retainedBytes = 10, 20<<10 })
	daemon := connectDaemon(t, b, daemonID)
	retain := func(topic string, size int) { deliver(t, daemon, topic, true, make([]byte, size)) }
	kept := func(topic string) bool { _, ok := b.server.Topics.Retained.Get(topic); return ok }
	for i := range 11 {
		retain(fmt.Sprint("t/", i), 10)
	}
	if !kept("t/9") || kept("t/10") {
		t.Error("the number is not bounded at 10")
	}
	retain("t/3", 0)
	retain("t/large", 30<<10)
	if kept("t/3") || kept("t/large") {
		t.Error("the size is not bounded")
	}
	retain("t/10", 10)
	if !kept("t/10") {
		t.Error("a cleared message is still counted")
	}
	old, _ := b.server.Topics.Retained.Get("t/9")
	old.Created = time.Now().Add(-48 * time.Hour).Unix()
	b.server.Topics.Retained.Add("t/9", old)
	time.Sleep(1500 * time.Millisecond) // the server checks for old ones once a second
	if !kept("t/9") {
		t.Error("a retained message is gone after two days")
	}
}

// Wrong passwords are answered more and more slowly, and are logged without the password.
func TestSlowsGuesses(t *testing.T) {
	var text publishtest.Log
	b := startTest(t, zerolog.New(&text), func(c *Config) { c.User, c.Password = "camera", "hunter2" },
		func(l *limits) { l.passwords = 200 * time.Millisecond })
	login := func(password string) byte {
		return rawDial(t, b.Addr()).hello("guest", func(pk *packets.Packet) {
			pk.Connect.UsernameFlag, pk.Connect.Username = true, []byte("camera")
			pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte(password)
		})
	}
	begun := time.Now()
	for i := range 8 {
		if code := login(fmt.Sprint("hunter3-", i)); code != 5 {
			t.Fatalf("%#x", code)
		}
	}
	if took := time.Since(begun); took < 4*200*time.Millisecond {
		t.Errorf("8 guesses in %v", took)
	}
	if code := login("hunter2"); code != 0 {
		t.Errorf("the right one: %#x", code)
	}
	connectDaemon(t, b, daemonID)
	if n := strings.Count(text.String(), "wrong user or password"); n != 3 ||
		strings.Contains(text.String(), "hunter") {
		t.Error(text.String())
	}
	if s := b.Stats(); s.WrongPasswords != 8 || s.Refused != 8 {
		t.Errorf("%+v", s)
	}
}

// Connections inside the program end with the broker.
func TestRefusesTheDaemonAfterItsEnd(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dialDaemon(t, b, daemonID); err == nil || !strings.Contains(err.Error(), errEnded.Error()) {
		t.Error(err)
	}
}

// A malformed packet that makes the server panic ends only the connection of its sender.
func TestSurvivesMalformedPackets(t *testing.T) {
	b := startTest(t, testLog(t), nil, nil)
	w := publishtest.Record(t, "tcp://"+b.Addr(), "faces/#")
	for range 3 {
		c := rawConnected(t, b.Addr(), "malformed", func(pk *packets.Packet) { pk.ProtocolVersion = 5 })
		c.subscribe(1, "#")
		if _, err := c.Write([]byte{0x82, 6, 0, 1, 0, 0, 1, 'a'}); err != nil { // a filter without its options
			t.Fatal(err)
		}
		c.ended()
	}
	publishtest.Eventually(t, "its sessions have ended", func() bool {
		_, there := b.server.Clients.Get("malformed")
		return !there
	})
	deliverInStep(t, connectDaemon(t, b, daemonID), w, 3, 100)
	publishtest.Eventually(t, "they are counted", func() bool { return b.Stats().Dropped == 3 })
}
