import { useEffect, useMemo, useState } from "preact/hooks"
import type { Calibration } from "./api"
import { Difference, Neighbours } from "./calibrate-faces"
import { Learned } from "./calibrate-feedback"
import { Basis, Figures, Hints, HistogramNotes } from "./calibrate-figures"
import { Save } from "./calibrate-save"
import { Gates, Policy, Threshold } from "./calibrate-settings"
import type { Control } from "./control"
import { Histogram } from "./histogram"
import { facesOf, outcome, same, type Draft } from "./simulate"

// Calibrate shows what a threshold and gates do to the visits of one camera. It requests nothing. Without control
// nothing can be saved.
export function Calibrate({ data, control }: { data: Calibration; control?: Control }) {
  const inForce: Draft = data.settings
  const [edited, setEdited] = useState<Draft | null>(null) // null: the settings in force
  const draft = edited ?? inForce
  useEffect(() => {
    if (edited && same(edited, data.settings)) setEdited(null) // a save is in force
  }, [data, edited])
  const visits = useMemo(
    () => data.visits.filter((visit) => visit.state !== "open").map((visit) => ({ visit, faces: facesOf(visit) })),
    [data],
  )
  const simulate = (settings: Draft) => visits.map(({ visit, faces }) => outcome(faces, visit, settings, data))
  const before = useMemo(() => simulate(inForce), [visits])
  const after = useMemo(() => (edited ? simulate(edited) : before), [visits, edited])
  const change = (part: Partial<Draft>) => setEdited({ ...draft, ...part })
  return (
    <div class="calibrate">
      <Basis data={data} counted={visits.length} />
      <div class="bench">
        <div>
          <Figures data={data} draft={draft} before={before} after={after} />
          <section class="panel" aria-label="Threshold">
            <Histogram outcomes={after} threshold={draft.threshold} inForce={inForce.threshold} />
            <Threshold value={draft.threshold} inForce={inForce.threshold}
              onValue={(threshold) => change({ threshold })} />
            <HistogramNotes outcomes={after} />
          </section>
          <Save data={data} draft={draft} control={control} onReset={() => setEdited(null)} />
        </div>
        <section class="panel" aria-label="Gates">
          <h2>Gates</h2>
          <p class="caption">What rules a face out, whatever its score.</p>
          <Gates data={data} draft={draft} visits={visits} onLimits={(gates) => change({ gates })} />
          <Policy value={draft.policy} onValue={(policy) => change({ policy })} />
        </section>
      </div>
      {data.feedback && <Learned camera={data.camera} learned={data.feedback} control={control} />}
      <Difference before={before} after={after} />
      <Neighbours outcomes={after} threshold={draft.threshold} />
      <Hints outcomes={after} />
    </div>
  )
}
