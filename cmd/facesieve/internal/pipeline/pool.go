package pipeline

import (
	"context"
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/models"
	"facesieve/quality"
)

// interpreterSet is one interpreter of each network. A camera holds it for one frame.
type interpreterSet struct {
	detector, quality *models.Interpreter
	refiner           *models.Interpreter  // nil if no camera refines; its input size never changes
	verified          map[image.Point]bool // input sizes of the detector at which an external runtime was tested
}

// interpreters returns those that are open.
func (s *interpreterSet) interpreters() []*models.Interpreter {
	if s.refiner == nil {
		return []*models.Interpreter{s.detector, s.quality}
	}
	return []*models.Interpreter{s.detector, s.quality, s.refiner}
}

func (s *interpreterSet) close() error {
	var all error
	for _, i := range s.interpreters() {
		all = errors.Join(all, i.Close())
	}
	return all
}

// Pool holds the interpreter sets that all cameras share. The number of cores bounds the number of sets, however many
// cameras there are. The calls of acquire are served in their order, so that a busy camera does not delay the others.
// The interpreters are closed when the pool is retired and the last engine that uses it is closed. A Pool is safe for
// concurrent use.
type Pool struct {
	networks Networks
	matcher  *quality.Matcher // nil: the quality network has no embedding
	recent   *quality.Recent  // visits before the cameras that share theirs
	runtime  models.Runtime
	log      zerolog.Logger
	refusals refusals

	mutex   sync.Mutex
	all     []*interpreterSet
	idle    []*interpreterSet      // the one that was released last is at the end
	waiting []chan *interpreterSet // the longest waiting is first; bounded by the number of cameras
	users   int                    // engines
	retired bool
}

var (
	// errRetired is the error of a new engine on a retired pool.
	errRetired = errors.New("the networks were replaced")
	// errNoRefiner is the error of a new engine that refines, if the networks of its pool were opened for cameras that do
	// not.
	errNoRefiner = errors.New("set up refinement: the landmarks network is not open")
)

// NewPool starts interpreters for this number of cameras, and tests each against its manifest. Call Retire after use.
func NewPool(networks Networks, rt models.Runtime, cameras int, log zerolog.Logger) (*Pool, error) {
	pool := &Pool{networks: networks, recent: quality.NewRecent(), runtime: rt, log: log}
	var err error
	if pool.matcher, err = quality.NewMatcher(&networks.quality.Manifest); err != nil {
		log.Info().Err(err).Msg("people cannot be recognised within a visit: each track is a visit")
	}
	if err = pool.Grow(cameras); err != nil {
		return nil, errors.Join(err, pool.Retire())
	}
	return pool, nil
}

// recentOf returns where the ended visits of a camera are kept: its own, or those that the cameras of this pool share.
func (p *Pool) recentOf(camera config.Camera, own *quality.Recent) *quality.Recent {
	if camera.Quality.Visit.Across {
		return p.recent
	}
	return own
}

// Grow starts more interpreter sets if this number of cameras can use them.
func (p *Pool) Grow(cameras int) error {
	target := min(cameras, max(1, runtime.GOMAXPROCS(0)/p.runtime.Threads))
	for {
		p.mutex.Lock()
		enough := len(p.all) >= target
		p.mutex.Unlock()
		if enough {
			return nil
		}
		s, err := p.start()
		if err != nil {
			return err
		}
		p.mutex.Lock()
		p.all = append(p.all, s)
		p.mutex.Unlock()
		p.release(s)
	}
}

// ScoreModel returns name and version of the quality network.
func (p *Pool) ScoreModel() string { return p.networks.ScoreModel() }

// Refused returns why networks do not use the configured external runtime; nothing if all do, or none is configured.
func (p *Pool) Refused() []string { return p.refusals.reasons() }

func (p *Pool) start() (*interpreterSet, error) {
	defer p.refusals.report(p.runtime, p.log)
	detector, err := p.startOne(p.networks.detector)
	if err != nil {
		return nil, err
	}
	quality, err := p.startOne(p.networks.quality)
	if err != nil {
		return nil, errors.Join(err, detector.Close())
	}
	s := &interpreterSet{detector: detector, quality: quality}
	if p.networks.landmarks == nil {
		return s, nil
	}
	if s.refiner, err = p.startRefiner(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// startOne starts a network, on the CPU if its external runtime was refused before.
func (p *Pool) startOne(model *models.Model) (*models.Interpreter, error) {
	rt := p.runtime
	if p.refusals.has(model) {
		rt = rt.OnCPU()
	}
	started, err := models.Start(model, rt, p.log)
	if err != nil {
		err = fmt.Errorf("start network %s: %w", model.Manifest.Name, err)
		if !model.BuiltIn() {
			err = config.Invalid(err)
		}
		return nil, err
	}
	if refusal := started.Refusal(); refusal != nil {
		p.refusals.add(model, refusal)
	}
	return started, nil
}

// startRefiner starts the landmarks network at the input size of refinement, and runs it once, because its self-test
// may have another size.
func (p *Pool) startRefiner() (*models.Interpreter, error) {
	const fix = "leave models.landmarks empty for the built-in network, and runtime.engine and delegate at their defaults"
	refiner, err := p.startOne(p.networks.landmarks)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, fix)
	}
	side := p.networks.landmarks.Manifest.Refinement.Side
	if refiner, err = p.verify(refiner, p.networks.landmarks, image.Pt(side, side)); err == nil {
		err = refiner.Invoke()
	}
	if err != nil {
		err = fmt.Errorf("network %s cannot refine a face: %w; %s", p.networks.landmarks.Manifest.Name, err, fix)
		return nil, errors.Join(err, refiner.Close())
	}
	return refiner, nil
}

// verify sets the input size of an interpreter and verifies that an external runtime has the same outputs as the CPU at
// this size. It returns the interpreter to use: i, or a new one on the CPU if the runtime is refused. It also returns one
// with an error, so that the caller can close it.
func (p *Pool) verify(
	i *models.Interpreter, model *models.Model, size image.Point,
) (*models.Interpreter, error) {
	if i.External() && !p.refusals.has(model) {
		err := i.Verify(size.X, size.Y)
		if err == nil {
			return i, nil
		}
		p.refusals.add(model, err)
	}
	if !i.External() {
		return i, i.Resize(size.X, size.Y)
	}
	onCPU, err := p.startOne(model)
	if err != nil {
		return i, err
	}
	return onCPU, errors.Join(onCPU.Resize(size.X, size.Y), i.Close())
}

// fitDetector sets and verifies an input size of the detector of a set, once for each size. The caller must hold the
// set.
func (p *Pool) fitDetector(s *interpreterSet, size image.Point) (err error) {
	if !s.detector.External() || s.verified[size] && !p.refusals.has(p.networks.detector) {
		return nil
	}
	defer p.refusals.report(p.runtime, p.log)
	if s.detector, err = p.verify(s.detector, p.networks.detector, size); err != nil {
		return fmt.Errorf("detector at %dx%d pixels: %w", size.X, size.Y, err)
	}
	if s.verified == nil {
		s.verified = map[image.Point]bool{}
	}
	s.verified[size] = true
	return nil
}

// acquire waits for its turn and returns an interpreter set, if possible one whose detector has that input size,
// because a change of size takes milliseconds. It returns nil if ctx ends first.
func (p *Pool) acquire(ctx context.Context, size image.Point) *interpreterSet {
	p.mutex.Lock()
	if len(p.idle) == 0 {
		turn := make(chan *interpreterSet, 1)
		p.waiting = append(p.waiting, turn)
		p.mutex.Unlock()
		return p.await(ctx, turn)
	}
	defer p.mutex.Unlock()
	at := max(0, slices.IndexFunc(p.idle, func(s *interpreterSet) bool {
		width, height := s.detector.Size()
		return size == image.Pt(width, height)
	}))
	s := p.idle[at]
	p.idle = slices.Delete(p.idle, at, at+1)
	return s
}

// await waits for the interpreter set that is sent to turn. It returns nil if ctx ends first.
func (p *Pool) await(ctx context.Context, turn chan *interpreterSet) *interpreterSet {
	select {
	case s := <-turn:
		return s
	case <-ctx.Done():
	}
	p.mutex.Lock()
	at := slices.Index(p.waiting, turn)
	if at >= 0 {
		p.waiting = slices.Delete(p.waiting, at, at+1)
	}
	p.mutex.Unlock()
	if at < 0 { // a set was sent in the meantime
		p.release(<-turn)
	}
	return nil
}

// release returns a set to the pool. The call of acquire that has waited longest receives it. An external runtime that
// failed meanwhile is reported.
func (p *Pool) release(s *interpreterSet) {
	if p.runtime.External() {
		for _, i := range s.interpreters() {
			if refusal := i.Refusal(); refusal != nil {
				p.refusals.add(i.Model(), refusal)
			}
		}
		p.refusals.report(p.runtime, p.log)
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.waiting) > 0 {
		p.waiting[0] <- s
		p.waiting = p.waiting[1:]
		return
	}
	p.idle = append(p.idle, s)
}

// retain counts an engine that uses the pool.
func (p *Pool) retain() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.retired {
		return errRetired
	}
	p.users++
	return nil
}

// leave ends the use by an engine, which holds no set.
func (p *Pool) leave() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.users--
	return p.closeUnused()
}

// Retire refuses new engines. When the last engine is closed, the interpreters are closed.
func (p *Pool) Retire() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.retired = true
	return p.closeUnused()
}

// closeUnused closes the interpreters of a retired pool without engines.
func (p *Pool) closeUnused() error {
	if !p.retired || p.users > 0 {
		return nil
	}
	var all error
	for _, s := range p.all {
		all = errors.Join(all, s.close())
	}
	p.all, p.idle = nil, nil
	return all
}

// pooledNetwork is a network of an engine: the interpreter of the set that the engine holds, or nil.
type pooledNetwork struct {
	*models.Interpreter
	model *models.Model
}

// Manifest returns the manifest of the network, also while no set is held.
func (p *pooledNetwork) Manifest() *models.Manifest { return &p.model.Manifest }
