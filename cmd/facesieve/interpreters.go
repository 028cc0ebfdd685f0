package main

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"facesieve/detect"
	"facesieve/models"
)

// pair is one interpreter of each network, lent to one camera for one frame, and one for second looks, whose input has the size
// for them all the time; nil if that cannot be had.
type pair struct {
	detector, refiner, quality *models.Interpreter
}

func (p *pair) close() error {
	err := errors.Join(p.detector.Close(), p.quality.Close())
	if p.refiner != nil {
		err = errors.Join(err, p.refiner.Close())
	}
	return err
}

// interpreters are the pairs that all cameras share: no more than the machine has cores for, however many cameras there
// are. They are lent in the order of asking, so that a busy camera takes turns with the others. They end when they are
// retired and the last engine that uses them is closed.
type interpreters struct {
	nets    networks
	runtime models.Runtime
	log     zerolog.Logger
	single  bool // no second looks: the log says why

	mutex   sync.Mutex
	all     []*pair
	idle    []*pair      // the one given back last is at the end
	waiting []chan *pair // the one who asked first is at the beginning; bounded by the number of cameras
	users   int
	retired bool
}

// errRetired is returned to who asks for interpreters that are gone.
var errRetired = errors.New("the networks were replaced")

// newInterpreters starts what this number of cameras needs, each network tested against its manifest. Call retire after
// use.
func newInterpreters(nets networks, rt models.Runtime, cameras int, log zerolog.Logger) (*interpreters, error) {
	shared := &interpreters{nets: nets, runtime: rt, log: log}
	if err := shared.provide(cameras); err != nil {
		return nil, errors.Join(err, shared.retire())
	}
	return shared, nil
}

// provide starts more pairs, if this number of cameras can use them.
func (n *interpreters) provide(cameras int) error {
	wanted := min(cameras, max(1, runtime.GOMAXPROCS(0)/n.runtime.Threads))
	for {
		n.mutex.Lock()
		enough := len(n.all) >= wanted
		n.mutex.Unlock()
		if enough {
			return nil
		}
		p, err := n.start()
		if err != nil {
			return err
		}
		n.mutex.Lock()
		n.all = append(n.all, p)
		n.mutex.Unlock()
		n.giveBack(p)
	}
}

func (n *interpreters) start() (*pair, error) {
	detector, err := models.Start(n.nets.detector, n.runtime, n.log)
	if err != nil {
		return nil, fmt.Errorf("start network %s: %w", n.nets.detector.Manifest.Name, err)
	}
	quality, err := models.Start(n.nets.quality, n.runtime, n.log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start network %s: %w", n.nets.quality.Manifest.Name, err), detector.Close())
	}
	return &pair{detector: detector, refiner: n.startRefiner(), quality: quality}, nil
}

// startRefiner starts the detector's network for second looks. One that cannot be run on their small square is no error: the log
// says why, once, and faces are judged by the first look.
func (n *interpreters) startRefiner() *models.Interpreter {
	if n.single {
		return nil
	}
	refiner, err := models.Start(n.nets.detector, n.runtime, n.log.With().Str("use", "second look").Logger())
	if err == nil {
		if err = errors.Join(refiner.Resize(detect.RefinerSide, detect.RefinerSide), refiner.Invoke()); err == nil {
			return refiner
		}
		err = errors.Join(err, refiner.Close())
	}
	n.single = true
	n.log.Warn().Err(err).Str("model", n.nets.detector.Manifest.Name).Msg("there is no second look at faces")
	return nil
}

// lend waits for its turn and returns a pair, if possible one whose detector has that input size already: another size
// costs milliseconds.
func (n *interpreters) lend(size image.Point) *pair {
	n.mutex.Lock()
	if len(n.idle) == 0 {
		turn := make(chan *pair, 1)
		n.waiting = append(n.waiting, turn)
		n.mutex.Unlock()
		return <-turn
	}
	defer n.mutex.Unlock()
	at := max(0, slices.IndexFunc(n.idle, func(p *pair) bool {
		width, height := p.detector.Size()
		return size == image.Pt(width, height)
	}))
	p := n.idle[at]
	n.idle = slices.Delete(n.idle, at, at+1)
	return p
}

// giveBack ends the loan of p: who has waited longest gets it.
func (n *interpreters) giveBack(p *pair) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if len(n.waiting) > 0 {
		n.waiting[0] <- p
		n.waiting = n.waiting[1:]
		return
	}
	n.idle = append(n.idle, p)
}

// join counts one more user.
func (n *interpreters) join() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.retired {
		return errRetired
	}
	n.users++
	return nil
}

// leave counts one user less, who has given back what was lent to it.
func (n *interpreters) leave() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.users--
	return n.end()
}

// retire lets nobody join any more.
func (n *interpreters) retire() error {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.retired = true
	return n.end()
}

// end frees the interpreters when nobody will use them again.
func (n *interpreters) end() error {
	if !n.retired || n.users > 0 {
		return nil
	}
	var all error
	for _, p := range n.all {
		all = errors.Join(all, p.close())
	}
	n.all, n.idle = nil, nil
	return all
}

// place is where an engine has a network: whatever interpreter is lent to it at the moment.
type place struct {
	*models.Interpreter
	manifest *models.Manifest
}

// Manifest is that of the network, which is known while nothing is lent too.
func (p *place) Manifest() *models.Manifest { return p.manifest }
