import { useEffect, useState } from "preact/hooks"
import { save, undo, type ControlState, type Limits } from "./api"
import { quoted } from "./format"

// A corner of a region, in shares of the frame's width and height.
export type Corner = [number, number]

// Regions are detect.roi and detect.masks. An empty roi is the whole frame.
export interface Regions {
  roi: Corner[]
  masks: Corner[][]
}

export type Target = "roi" | "mask"

// Draft is a region that is drawn, until it is closed.
export interface Draft {
  target: Target
  corners: Corner[]
}

// RegionEdit is the state of editing the regions of a camera.
export interface RegionEdit {
  regions: Regions
  draft: Draft | null
  changed: boolean // the regions differ from those in force
  setRegions: (regions: Regions) => void
  discard: () => void
  begin: (target: Target) => void
  addCorner: (corner: Corner) => void
  close: () => void
  cancel: () => void
}

export const regionsOf = (limits: Limits): Regions => ({ roi: limits.roi ?? [], masks: limits.masks })

const round = (share: number): number => Math.round(Math.max(0, Math.min(1, share)) * 1000) / 1000

// useRegionEdit keeps the edited regions, and closes, cancels and shortens the draft with Enter, Escape and Backspace.
// Each action changes the newest state, because several can come before the page is drawn again.
export function useRegionEdit(limits: Limits): RegionEdit {
  const [{ edited, draft }, set] = useState<{ edited: Regions | null; draft: Draft | null }>({ edited: null, draft: null })
  const inForce = regionsOf(limits)
  const regions = edited ?? inForce
  const changed = yaml("", regions) !== yaml("", inForce)
  const setRegions = (regions: Regions | null) => set((now) => ({ ...now, edited: regions }))
  const setCorners = (change: (corners: Corner[]) => Corner[]) =>
    set((now) => (now.draft ? { ...now, draft: { ...now.draft, corners: change(now.draft.corners) } } : now))
  const close = () =>
    set((now) =>
      now.draft && now.draft.corners.length >= 3 ? { edited: add(now.edited ?? inForce, now.draft), draft: null } : now,
    )
  const cancel = () => set((now) => ({ ...now, draft: null }))
  useEffect(() => {
    if (edited && !changed) setRegions(null) // they are in force now, and follow it again
  })
  useEffect(() => {
    if (!draft) return
    const keys: Record<string, () => void> = {
      Enter: close,
      Escape: cancel,
      Backspace: () => setCorners((corners) => corners.slice(0, -1)),
    }
    const press = (event: KeyboardEvent) => {
      const action = keys[event.key]
      if (!action || event.target instanceof HTMLInputElement) return
      event.preventDefault()
      action()
    }
    addEventListener("keydown", press, true)
    return () => removeEventListener("keydown", press, true)
  })
  return {
    regions,
    draft,
    changed,
    setRegions,
    discard: () => setRegions(null),
    begin: (target) => set((now) => ({ ...now, draft: { target, corners: [] } })),
    addCorner: ([x, y]) => setCorners((corners) => [...corners, [round(x), round(y)]]),
    close,
    cancel,
  }
}

function add(regions: Regions, { target, corners }: Draft): Regions {
  return target === "roi" ? { ...regions, roi: corners } : { ...regions, masks: [...regions.masks, corners] }
}

// moveCorner returns the regions with another place of a corner. polygon is -1 for the region of interest, or the index
// of a mask.
export function moveCorner(regions: Regions, polygon: number, index: number, [x, y]: Corner): Regions {
  return edit(regions, polygon, (corners) => corners.map((corner, i) => (i === index ? [round(x), round(y)] : corner)))
}

function edit(regions: Regions, polygon: number, change: (corners: Corner[]) => Corner[]): Regions {
  if (polygon < 0) return { ...regions, roi: change(regions.roi) }
  return { ...regions, masks: regions.masks.map((mask, i) => (i === polygon ? change(mask) : mask)) }
}

// yaml returns the regions as they are written in the configuration file.
export function yaml(camera: string, regions: Regions): string {
  const corners = (all: Corner[]) => `[${all.map(([x, y]) => `[${x}, ${y}]`).join(", ")}]`
  const masks = regions.masks.map((mask) => `\n        - ${corners(mask)}`).join("") || " []"
  return `cameras:
  - name: ${quoted(camera)}
    detect:
      roi: ${corners(regions.roi)}
      masks:${masks}
`
}

interface Props {
  camera: string
  edit: RegionEdit
  control: ControlState
  overridden: boolean // the regions in force are not those of the file
}

// RegionEditor shows the regions as tables of corners, for the keyboard, and as YAML.
export function RegionEditor({ camera, edit: state, control, overridden }: Props) {
  const { regions, draft } = state
  const [copied, setCopied] = useState("")
  const text = yaml(camera, regions)
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setCopied("copied"),
      () => setCopied("the browser does not allow it: select the text"),
    )
  return (
    <fieldset class="tool">
      <legend>Region and masks</legend>
      {draft ? (
        <Drawing draft={draft} state={state} />
      ) : (
        <div class="buttons">
          <button type="button" onClick={() => state.begin("roi")}>
            Draw the region of interest
          </button>
          <button type="button" onClick={() => state.begin("mask")}>
            Draw a mask
          </button>
          <button type="button" onClick={() => state.setRegions(add(regions, { target: "mask", corners: middle }))}>
            Add a mask to edit by numbers
          </button>
          {regions.roi.length === 0 && (
            <button type="button" onClick={() => state.setRegions({ ...regions, roi: middle })}>
              Add a region to edit by numbers
            </button>
          )}
          {state.changed && (
            <button type="button" onClick={state.discard}>
              Discard the changes
            </button>
          )}
        </div>
      )}
      <p class="hint">
        Only faces inside the region of interest count; without one, the whole picture. Faces inside a mask are ignored.
      </p>
      <div class="polygons">
        {regions.roi.length > 0 && <Corners name="Region of interest" polygon={-1} corners={regions.roi} state={state} />}
        {regions.masks.map((mask, i) => (
          <Corners key={i} name={`Mask ${i + 1}`} polygon={i} corners={mask} state={state} />
        ))}
      </div>
      <Saving camera={camera} state={state} control={control} overridden={overridden} />
      <h3>For the configuration file</h3>
      <pre tabIndex={0} class="code">
        {text}
      </pre>
      <div class="buttons">
        <button type="button" onClick={copy}>
          Copy
        </button>
        <output>{copied}</output>
      </div>
    </fieldset>
  )
}

// Saving stores the regions as overrides of the camera.
function Saving({ camera, state, control, overridden }: Omit<Props, "edit"> & { state: RegionEdit }) {
  const [result, setResult] = useState({ text: "", fault: false })
  if (!control.enabled) return <p class="hint">The page cannot save: {control.fix}.</p>
  const { roi, masks } = state.regions
  const run = (action: Promise<void>, text: string) => {
    setResult({ text: "…", fault: false })
    action.then(
      () => setResult({ text, fault: false }),
      (fault: Error) => setResult({ text: fault.message, fault: true }),
    )
  }
  const back = (action: Promise<void>, text: string) => {
    state.discard()
    run(action, text)
  }
  return (
    <div class="buttons saving">
      <button type="button" class="primary" disabled={!state.changed || state.draft !== null}
        onClick={() => run(save({ camera, detect: { roi, masks } }), "Saved on the device.")}>
        Save
      </button>
      {control.can_undo && (
        <button type="button" onClick={() => back(undo(), "The last saved change is undone.")}>
          Undo the last saved change
        </button>
      )}
      {overridden && (
        <button type="button"
          onClick={() => back(save({ camera, detect: { roi: null, masks: null } }), "The file applies again.")}>
          Use those of the file
        </button>
      )}
      <output class={result.fault ? "bad" : ""}>{result.text}</output>
    </div>
  )
}

const middle: Corner[] = [
  [0.25, 0.25],
  [0.75, 0.25],
  [0.75, 0.75],
  [0.25, 0.75],
]

function Drawing({ draft, state }: { draft: Draft; state: RegionEdit }) {
  return (
    <div class="buttons">
      <span role="status">
        Click the corners of the {draft.target === "roi" ? "region" : "mask"} in the picture ({draft.corners.length} so far).
        Enter or a double click closes it, Backspace removes the last corner, Escape cancels.
      </span>
      <button type="button" disabled={draft.corners.length < 3} onClick={state.close}>
        Close
      </button>
      <button type="button" onClick={state.cancel}>
        Cancel
      </button>
    </div>
  )
}

interface CornersProps {
  name: string
  polygon: number
  corners: Corner[]
  state: RegionEdit
}

function Corners({ name, polygon, corners, state }: CornersProps) {
  const { regions, setRegions } = state
  const remove = () =>
    setRegions(
      polygon < 0 ? { ...regions, roi: [] } : { ...regions, masks: regions.masks.filter((_, i) => i !== polygon) },
    )
  const change = (index: number, axis: 0 | 1, value: number) => {
    const corner: Corner = [...corners[index]!]
    corner[axis] = value / 100
    setRegions(moveCorner(regions, polygon, index, corner))
  }
  const insert = (index: number) => {
    const [a, b] = [corners[index]!, corners[(index + 1) % corners.length]!]
    const between: Corner = [round((a[0] + b[0]) / 2), round((a[1] + b[1]) / 2)]
    setRegions(edit(regions, polygon, (all) => [...all.slice(0, index + 1), between, ...all.slice(index + 1)]))
  }
  return (
    <table class="corners">
      <caption>
        {name}{" "}
        <button type="button" onClick={remove}>
          Remove<span class="hidden"> {name}</span>
        </button>
      </caption>
      <thead>
        <tr>
          <th>
            <span class="hidden">Corner</span>
          </th>
          <th>Left, %</th>
          <th>Top, %</th>
          <th>Corners</th>
        </tr>
      </thead>
      <tbody>
        {corners.map((corner, i) => (
          <tr key={i}>
            <td>{i + 1}</td>
            {([0, 1] as const).map((axis) => (
              <td key={axis}>
                <Share name={`${name}, corner ${i + 1}, ${axis === 0 ? "from the left" : "from the top"}`}
                  value={corner[axis]} onValue={(value) => change(i, axis, value)} />
              </td>
            ))}
            <td>
              <button type="button" aria-label={`Add a corner after corner ${i + 1}`} onClick={() => insert(i)}>
                +
              </button>{" "}
              <button type="button" aria-label={`Remove corner ${i + 1}`} disabled={corners.length < 4}
                onClick={() => setRegions(edit(regions, polygon, (all) => all.filter((_, at) => at !== i)))}>
                −
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

// Share is a field for a share in per cent. While it is edited it keeps its text, whatever the value becomes.
function Share({ name, value, onValue }: { name: string; value: number; onValue: (value: number) => void }) {
  const [text, setText] = useState<string | null>(null)
  const type = (typed: string) => {
    setText(typed)
    if (typed !== "" && Number(typed) >= 0 && Number(typed) <= 100) onValue(Number(typed))
  }
  return (
    <input type="number" min="0" max="100" step="0.1" aria-label={name} value={text ?? Number((value * 100).toFixed(1))}
      onInput={(event) => type(event.currentTarget.value)} onBlur={() => setText(null)} />
  )
}
