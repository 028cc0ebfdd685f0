package quality

import (
	"math"
	"math/rand/v2"
	"testing"
)

// head3D has a right eye, left eye, nose and mouth corners; x to the right of the image, y down, z towards the camera.
type head3D [5][3]float64

func ownHead() head3D {
	return head3D{
		{-0.5, 0, 0},
		{0.5, 0, 0},
		{0, headNoseY, headNoseZ},
		{-headMouthX, headMouthY, headMouthZ},
		{headMouthX, headMouthY, headMouthZ},
	}
}

// project returns the landmarks of the head, turned by yaw, pitch and roll in degrees. distance is that of the camera,
// in distances between the eyes; 0: infinite. A frontal head has 100 pixels between the eyes.
func (h head3D) project(yaw, pitch, roll, distance float64) Landmarks {
	const radian = math.Pi / 180
	sy, cy := math.Sincos(yaw * radian)
	sp, cp := math.Sincos(pitch * radian)
	sr, cr := math.Sincos(roll * radian)
	var out Landmarks
	for i, p := range h {
		x, y, z := cy*p[0]+sy*p[2], p[1], -sy*p[0]+cy*p[2] // about the vertical axis: the nose goes to the right
		y, z = cp*y+sp*z, -sp*y+cp*z                       // about the axis through the ears: the nose goes down
		x, y = cr*x+sr*y, -sr*x+cr*y                       // in the image: the crown goes to the left
		size := 100.0
		if distance > 0 {
			size *= distance / (distance - z)
		}
		out[i] = [2]float32{float32(500 + size*x), float32(400 + size*y)}
	}
	return out
}

func TestPoseOfKnownHeads(t *testing.T) {
	pose := newPoseEstimator()
	// Another head: MediaPipe's canonical face model in units of its distance between the eyes.
	canonical := head3D{{-0.5, 0, 0}, {0.5, 0, 0}, {0, 0.595, 0.583}, {-0.390, 1.106, 0.077}, {0.390, 1.106, 0.077}}
	for _, c := range []struct {
		name           string
		head           head3D
		distance       float64 // 0: infinite
		yawOff, offAll float64 // degrees allowed
	}{
		{"own head", ownHead(), 0, 0.1, 0.1},
		{"own head, 1 m away", ownHead(), 16, 5, 5},
		{"canonical head", canonical, 0, 5, 10}, // its longer face is measured as pitch
	} {
		worst := [3]float64{}
		for yaw := -60.0; yaw <= 60; yaw += 15 {
			for pitch := -30.0; pitch <= 30; pitch += 15 {
				for _, roll := range []float64{-120, -30, 0, 45, 90} {
					gotYaw, gotPitch, gotRoll, err := pose.estimate(c.head.project(yaw, pitch, roll, c.distance))
					if err != nil {
						t.Fatal(err)
					}
					off := [3]float64{math.Abs(gotYaw - yaw), math.Abs(gotPitch - pitch), math.Abs(gotRoll - roll)}
					if off[0] > c.yawOff || off[1] > c.offAll || off[2] > c.offAll {
						t.Errorf("%s at yaw %g, pitch %g, roll %g: estimate %.1f, %.1f, %.1f",
							c.name, yaw, pitch, roll, gotYaw, gotPitch, gotRoll)
					}
					for i := range worst {
						worst[i] = math.Max(worst[i], off[i])
					}
				}
			}
		}
		t.Logf("%s: largest error of yaw, pitch, roll %.2f degrees", c.name, worst)
	}
}

// With landmarks off by 2 % of the distance between the eyes, which is about the error of detectors, the standard error
// of yaw is below 5 degrees.
func TestPoseWithNoisyLandmarks(t *testing.T) {
	pose, random := newPoseEstimator(), rand.New(rand.NewPCG(3, 4))
	var square [3]float64
	const n = 2000
	for range n {
		yaw, pitch, roll := 90*(random.Float64()-0.5), 40*(random.Float64()-0.5), 40*(random.Float64()-0.5)
		gotYaw, gotPitch, gotRoll, err := pose.estimate(noisy(ownHead().project(yaw, pitch, roll, 0), 2, random))
		if err != nil {
			t.Fatal(err)
		}
		for i, off := range [3]float64{gotYaw - yaw, gotPitch - pitch, gotRoll - roll} {
			square[i] += off * off / n
		}
	}
	deviation := [3]float64{math.Sqrt(square[0]), math.Sqrt(square[1]), math.Sqrt(square[2])}
	t.Logf("standard error of yaw, pitch, roll: %.2f degrees", deviation)
	for i, limit := range [3]float64{5, 5, 3} {
		if deviation[i] > limit {
			t.Errorf("angle %d: standard error %.2f degrees, expected at most %g", i, deviation[i], limit)
		}
	}
}

func TestPoseSigns(t *testing.T) {
	pose := newPoseEstimator()
	for _, c := range []struct {
		what             string
		landmarks        Landmarks
		yaw, pitch, roll int // expected signs
	}{
		{"nose to the right of the image", Landmarks{{40, 50}, {72, 50}, {64, 70}, {43, 90}, {72, 90}}, 1, 0, 0},
		{"nose low", Landmarks{{40, 50}, {72, 50}, {56, 80}, {42, 88}, {70, 88}}, 0, 1, 0},
		{"crown to the left of the image", place(-20, 1, 0, 60), 0, 0, 1},
	} {
		yaw, pitch, roll, err := pose.estimate(c.landmarks)
		if err != nil {
			t.Fatal(err)
		}
		if c.yaw > 0 && yaw < 5 || c.pitch > 0 && pitch < 5 || c.roll > 0 && roll < 5 {
			t.Errorf("%s: yaw %.1f, pitch %.1f, roll %.1f", c.what, yaw, pitch, roll)
		}
	}
}

// Five points that are not a face still give a pose, and never NaN; a gate rejects them by their residual.
func TestPoseOfAnything(t *testing.T) {
	pose, random := newPoseEstimator(), rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		landmarks := noisy(Landmarks{}, math.Pow(10, 4*random.Float64()), random)
		yaw, pitch, roll, err := pose.estimate(landmarks)
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(yaw) <= 90 && math.Abs(pitch) <= 90 && math.Abs(roll) <= 180) {
			t.Fatalf("landmarks %v: yaw %g, pitch %g, roll %g", landmarks, yaw, pitch, roll)
		}
	}
}
