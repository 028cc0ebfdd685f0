package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"facesieve/models"
)

// trio is one interpreter of each network, lent to one camera for one frame. That for second looks has their size all the time.
type trio struct {
	detector, refiner, quality *models.Interpreter
	proven                     map[image.Point]bool // sizes at which an accelerator was tested
}

func (t *trio) close() error {
	return errors.Join(t.detector.Close(), t.refiner.Close(), t.quality.Close())
}

// interpreters are the trios that all cameras share: no more than the machine has cores for, however many cameras there
// are. They are lent in the order of asking, so that a busy camera takes turns with the others. They end when they are
// retired and the last engine that uses them is closed.
type interpreters struct {
	nets     networks
	runtime  models.Runtime
	log      zerolog.Logger
	refusals refusals

	mutex   sync.Mutex
	all     []*trio
	idle    []*trio      // the one given back last is at the end
	waiting []chan *trio // the one who asked first is at the beginning; bounded by the number of cameras
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

// provide starts more trios, if this number of cameras can use them.
func (n *interpreters) provide(cameras int) error {
	wanted := min(cameras, max(1, runtime.GOMAXPROCS(0)/n.runtime.Threads))
	for {
		n.mutex.Lock()
		enough := len(n.all) >= wanted
		n.mutex.Unlock()
		if enough {
			return nil
		}
		t, err := n.start()
		if err != nil {
			return err
		}
		n.mutex.Lock()
		n.all = append(n.all, t)
		n.mutex.Unlock()
		n.giveBack(t)
	}
}

func (n *interpreters) start() (*trio, error) {
	defer n.refusals.report(n.runtime, n.log)
	detector, err := n.startOne(n.nets.detector)
	if err != nil {
		return nil, err
	}
	refiner, err := n.startRefiner()
	if err != nil {
		return nil, errors.Join(err, detector.Close())
	}
	quality, err := n.startOne(n.nets.quality)
	if err != nil {
		return nil, errors.Join(err, refiner.Close(), detector.Close())
	}
	return &trio{detector: detector, refiner: refiner, quality: quality}, nil
}

// startOne starts a network, on the CPU if its accelerator was refused before.
func (n *interpreters) startOne(model *models.Model) (*models.Interpreter, error) {
	rt := n.runtime
	if n.refusals.has(model) {
		rt = rt.OnCPU()
	}
	started, err := models.Start(model, rt, n.log)
	if err != nil {
		err = fmt.Errorf("start network %s: %w", model.Manifest.Name, err)
		if !model.BuiltIn() {
			err = configured(err)
		}
		return nil, err
	}
	if refusal := started.Refusal(); refusal != nil {
		n.refusals.add(model, refusal)
	}
	return started, nil
}

// startRefiner starts the network of second looks at the size that they have, and runs it once: its self-test may have had another.
func (n *interpreters) startRefiner() (*models.Interpreter, error) {
	const mend = "leave models.landmarks empty for the built-in network, and runtime.delegate at xnnpack for the CPU"
	refiner, err := n.startOne(n.nets.landmarks)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, mend)
	}
	if refiner, err = n.prove(refiner, n.nets.landmarks, image.Pt(1, 1).Mul(n.nets.landmarks.Manifest.Refinement.Side)); err == nil {
		err = refiner.Invoke()
	}
	if err != nil {
		err = fmt.Errorf("network %s cannot look at a face: %w; %s", n.nets.landmarks.Manifest.Name, err, mend)
		return nil, errors.Join(err, refiner.Close())
	}
	return refiner, nil
}

// prove sets the input size of an interpreter and verifies that an accelerator has the same outputs as the CPU at this
// size. It returns the interpreter to use: i, or a new one on the CPU if the accelerator is refused. It also returns
// one with an error, so that the caller can close it.
func (n *interpreters) prove(
	i *models.Interpreter, model *models.Model, size image.Point,
) (*models.Interpreter, error) {
	if i.Delegate() == models.DelegateExternal && !n.refusals.has(model) {
		err := i.Verify(size.X, size.Y)
		if err == nil {
			return i, nil
		}
		n.refusals.add(model, err)
	}
	if i.Delegate() != models.DelegateExternal {
		return i, i.Resize(size.X, size.Y)
	}
	onCPU, err := n.startOne(model)
	if err != nil {
		return i, err
	}
	return onCPU, errors.Join(onCPU.Resize(size.X, size.Y), i.Close())
}

// fit sets and verifies an input size of the detector of t, once for each size. The caller must hold t.
func (n *interpreters) fit(t *trio, size image.Point) (err error) {
	if t.detector.Delegate() != models.DelegateExternal || t.proven[size] && !n.refusals.has(n.nets.detector) {
		return nil
	}
	defer n.refusals.report(n.runtime, n.log)
	if t.detector, err = n.prove(t.detector, n.nets.detector, size); err != nil {
		return fmt.Errorf("detector at %dx%d pixels: %w", size.X, size.Y, err)
	}
	if t.proven == nil {
		t.proven = map[image.Point]bool{}
	}
	t.proven[size] = true
	return nil
}

// lend waits for its turn and returns an interpreter set, if possible one whose detector has that input size already,
// because another size costs milliseconds. It returns nil if ctx ends first.
func (n *interpreters) lend(ctx context.Context, size image.Point) *trio {
	n.mutex.Lock()
	if len(n.idle) == 0 {
		turn := make(chan *trio, 1)
		n.waiting = append(n.waiting, turn)
		n.mutex.Unlock()
		return n.await(ctx, turn)
	}
	defer n.mutex.Unlock()
	at := max(0, slices.IndexFunc(n.idle, func(t *trio) bool {
		width, height := t.detector.Size()
		return size == image.Pt(width, height)
	}))
	t := n.idle[at]
	n.idle = slices.Delete(n.idle, at, at+1)
	return t
}

// await waits for the interpreter set that is sent to turn. It returns nil if ctx ends first.
func (n *interpreters) await(ctx context.Context, turn chan *trio) *trio {
	select {
	case t := <-turn:
		return t
	case <-ctx.Done():
	}
	n.mutex.Lock()
	at := slices.Index(n.waiting, turn)
	if at >= 0 {
		n.waiting = slices.Delete(n.waiting, at, at+1)
	}
	n.mutex.Unlock()
	if at < 0 { // a set was sent in the meantime
		n.giveBack(<-turn)
	}
	return nil
}

// giveBack ends the loan of t: who has waited longest gets it.
func (n *interpreters) giveBack(t *trio) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if len(n.waiting) > 0 {
		n.waiting[0] <- t
		n.waiting = n.waiting[1:]
		return
	}
	n.idle = append(n.idle, t)
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
	for _, t := range n.all {
		all = errors.Join(all, t.close())
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
