import type { Calibration } from "./api"

// The Calibrate view of one camera. It requests nothing.
export function Calibrate({ data }: { data: Calibration }) {
  return <p class="caption">{data.visits.length} visits</p>
}
