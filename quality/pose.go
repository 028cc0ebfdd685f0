package quality

import (
	"math"
	"math/cmplx"
)

// The generic head, in units of the distance between the eyes, x to the right of the image, y down, z towards the
// camera, eyes at z = 0. Width and height are the medians of YuNet's landmarks in 459 frontal portraits of celebrities
// (their mouth is higher than that of the template), so that the median pitch of these is 0. Depth is that of
// MediaPipe's canonical face model, where nose tip, eyes and mouth corners lie at 7.48, 3.8 and 4.28 with 6.30 between
// the eyes.
const (
	headNoseY, headNoseZ               = 0.577, 0.583
	headMouthX, headMouthY, headMouthZ = 0.430, 0.990, 0.077
)

// The pose is searched on a coarse grid and then with at most poseSteps steps of Gauss-Newton.
const (
	poseGridYaw, poseGridPitch = 7, 5   // numbers of nodes, odd
	poseGridStep               = 20     // degrees between nodes
	poseSteps                  = 12     //
	poseLimit                  = 89.0   // largest yaw and pitch, degrees
	poseDone                   = 0.0005 // a step that ends the search, radians
)

// poseEstimator estimates the pose of a head from five landmarks.
type poseEstimator struct {
	head [5][3]float64 // relative to the mean of the five
	grid []poseNode
}

// poseNode is the head, turned and projected.
type poseNode struct {
	yaw, pitch float64       // radians
	points     [5]complex128 // landmarks in the image, x + iy
	square     float64       // sum of |points|²
}

func newPoseEstimator() *poseEstimator {
	p := &poseEstimator{head: [5][3]float64{
		{-0.5, 0, 0},
		{0.5, 0, 0},
		{0, headNoseY, headNoseZ},
		{-headMouthX, headMouthY, headMouthZ},
		{headMouthX, headMouthY, headMouthZ},
	}}
	var mean [3]float64
	for _, point := range p.head {
		for axis := range mean {
			mean[axis] += point[axis] / float64(len(p.head))
		}
	}
	for i := range p.head {
		for axis := range mean {
			p.head[i][axis] -= mean[axis]
		}
	}
	for i := range poseGridYaw {
		for k := range poseGridPitch {
			const step = poseGridStep * math.Pi / 180
			p.grid = append(p.grid, p.project(float64(i-poseGridYaw/2)*step, float64(k-poseGridPitch/2)*step))
		}
	}
	return p
}

// project returns the head, turned first by yaw and then by pitch (radians), in parallel projection along the camera's
// axis.
func (p *poseEstimator) project(yaw, pitch float64) poseNode {
	node := poseNode{yaw: yaw, pitch: pitch}
	sy, cy := math.Sincos(yaw)
	sp, cp := math.Sincos(pitch)
	for i, h := range p.head {
		depth := -sy*h[0] + cy*h[2]
		node.points[i] = complex(cy*h[0]+sy*h[2], cp*h[1]+sp*depth)
	}
	node.square = real(inner(&node.points, &node.points))
	return node
}

// estimate returns the pose in degrees, with the signs of the components, that fits landmarks best under weak
// perspective: the head is turned by yaw and pitch, projected, and then rotated by roll, scaled and shifted in the
// image. The last three have a closed form for any yaw and pitch (points as complex numbers), so the search has two
// dimensions: the best node of a grid, then Gauss-Newton on the residual with the closed form substituted (variable
// projection; Kaufman, "A variable projection method for solving separable nonlinear least squares problems", 1975).
// The error is ErrLandmarks.
func (p *poseEstimator) estimate(landmarks Landmarks) (yaw, pitch, roll float64, err error) {
	target, _, _, err := centred(landmarks)
	if err != nil {
		return 0, 0, 0, err
	}
	best := p.grid[0]
	for _, node := range p.grid {
		if node.fit(&target) > best.fit(&target) {
			best = node
		}
	}
	for range poseSteps {
		dy, dp := p.step(&best, &target)
		next := p.project(clampAngle(best.yaw+dy), clampAngle(best.pitch+dp))
		for next.fit(&target) < best.fit(&target) && math.Abs(dy)+math.Abs(dp) > poseDone {
			dy, dp = dy/4, dp/4
			next = p.project(clampAngle(best.yaw+dy), clampAngle(best.pitch+dp))
		}
		if next.fit(&target) > best.fit(&target) {
			best = next
		}
		if math.Abs(dy)+math.Abs(dp) <= poseDone {
			break
		}
	}
	const degrees = 180 / math.Pi
	return best.yaw * degrees, best.pitch * degrees, -cmplx.Phase(inner(&best.points, &target)) * degrees, nil
}

// fit increases as the distance decreases between target and the points of the node, rotated and scaled to fit.
func (n *poseNode) fit(target *[5]complex128) float64 {
	product := inner(&n.points, target)
	return (real(product)*real(product) + imag(product)*imag(product)) / n.square
}

// step returns the Gauss-Newton step from n: changes of yaw and pitch, radians.
func (p *poseEstimator) step(n *poseNode, target *[5]complex128) (dy, dp float64) {
	factor := inner(&n.points, target) / complex(n.square, 0)
	var residual, jy, jp [5]complex128
	const h = 1e-4
	yawed, pitched := p.project(n.yaw+h, n.pitch), p.project(n.yaw, n.pitch+h)
	for i := range residual {
		residual[i] = target[i] - factor*n.points[i]
		jy[i] = factor * (yawed.points[i] - n.points[i]) / h
		jp[i] = factor * (pitched.points[i] - n.points[i]) / h
	}
	// Remove what rotation and scale in the image can fit.
	oy, op := inner(&n.points, &jy)/complex(n.square, 0), inner(&n.points, &jp)/complex(n.square, 0)
	for i := range residual {
		jy[i] -= oy * n.points[i]
		jp[i] -= op * n.points[i]
	}
	yy, pp := real(inner(&jy, &jy)), real(inner(&jp, &jp))
	yp := real(inner(&jy, &jp))
	ry, rp := real(inner(&jy, &residual)), real(inner(&jp, &residual))
	damping := 1e-6 * (yy + pp)
	yy, pp = yy+damping, pp+damping
	determinant := yy*pp - yp*yp
	if determinant == 0 {
		return 0, 0
	}
	return (ry*pp - rp*yp) / determinant, (rp*yy - ry*yp) / determinant
}

// inner returns the sum of conj(a) b.
func inner(a, b *[5]complex128) (sum complex128) {
	for i := range a {
		sum += cmplx.Conj(a[i]) * b[i]
	}
	return sum
}

func clampAngle(radians float64) float64 {
	const limit = poseLimit * math.Pi / 180
	return math.Max(-limit, math.Min(limit, radians))
}
