import { useRef, useState } from "preact/hooks"
import type { Calibration, Override } from "./api"
import type { Control } from "./control"
import { quoted } from "./format"
import { same, type Draft } from "./simulate"

interface Props {
  data: Calibration
  draft: Draft
  control: Control | undefined
  onReset: () => void
}

// Save stores the settings as overrides, and shows them for the configuration file.
export function Save({ data, draft, control, onReset }: Props) {
  const [result, setResult] = useState<Result>({ text: "", failed: false })
  const [busy, setBusy] = useState(false)
  const changed = !same(draft, data.settings)
  const own = control?.overridden.filter((key) => key.startsWith("quality.")) ?? []
  const run = async (action: Promise<void>, text: string, saved?: Draft) => {
    setBusy(true)
    setResult({ text: "", failed: false })
    try {
      await action
      setResult({ text, failed: false, saved })
    } catch (fault) {
      setResult({ text: (fault as Error).message, failed: true })
    }
    setBusy(false)
  }
  const undo = async (undo: Promise<void>) => {
    await undo
    onReset()
  }
  const enabled = control?.state.enabled ?? false
  const waits = changed && result.saved !== undefined && same(result.saved, draft)
  return (
    <section class="panel save" aria-label="Save">
      <div class="buttons">
        {enabled && (
          <button type="button" class="primary" disabled={!changed || busy || waits}
            onClick={() => run(control!.save(overrideOf(data, draft)), "Saved, and in force.", draft)}>
            Save for {data.camera}
          </button>
        )}
        <button type="button" disabled={!changed} onClick={onReset}>
          Back to the settings in force
        </button>
        {enabled && control!.state.can_undo && (
          <button type="button" disabled={busy} title="Of all cameras, the change that was saved last"
            onClick={() => run(undo(control!.undo()), "The last save is undone.")}>
            Undo the last save
          </button>
        )}
        {enabled && own.length > 0 && (
          <button type="button" disabled={busy}
            onClick={() => run(undo(control!.save(resetOf(data.camera, own))), "The settings of the file apply again.")}>
            Use the settings of the file
          </button>
        )}
        <span class={result.failed ? "result bad" : "result"} role="status">
          {waits ? "Saved. It takes effect in a moment…" : result.saved && changed ? "" : result.text}
        </span>
      </div>
      {control && !enabled && <p class="caption">To save from this page: {control.state.fix}.</p>}
      {own.length > 0 && (
        <p class="caption">
          Saved here, in place of the file's settings: {own.map((key) => key.replace("quality.", "")).join(", ")}.
        </p>
      )}
      <ForFile data={data} draft={draft} overridden={own} />
    </section>
  )
}

interface Result {
  text: string
  failed: boolean
  saved?: Draft | undefined // what was saved
}

// nameOf returns the key of a gate in section gates.
const nameOf = (key: string): string => key.replace("gates.", "")

function overrideOf(data: Calibration, draft: Draft): Override {
  const gates: Record<string, number> = {}
  data.gates.forEach((gate, i) => {
    if (draft.gates[i] !== data.settings.gates[i]) gates[nameOf(gate.key)] = draft.gates[i]!
  })
  const quality: NonNullable<Override["quality"]> = {}
  if (draft.threshold !== data.settings.threshold) quality.threshold = draft.threshold
  if (draft.policy !== data.settings.policy) quality.policy = draft.policy
  if (Object.keys(gates).length > 0) quality.gates = gates
  return { camera: data.camera, quality }
}

function resetOf(camera: string, keys: string[]): Override {
  const quality: NonNullable<Override["quality"]> = {}
  for (const key of keys) {
    const [, section, name] = key.split(".")
    if (section === "gates") quality.gates = { ...quality.gates, [name!]: null }
    else if (section === "threshold" || section === "policy") quality[section] = null
  }
  return { camera, quality }
}

// yamlOf returns the settings that differ from those in force or are overridden, as lines of the configuration file.
export function yamlOf(data: Calibration, draft: Draft, overridden: string[]): string {
  const has = (key: string) => overridden.includes(`quality.${key}`)
  const lines: string[] = []
  if (draft.policy !== data.settings.policy || has("policy")) lines.push(`      policy: ${draft.policy}`)
  if (draft.threshold !== data.settings.threshold || has("threshold")) lines.push(`      threshold: ${draft.threshold}`)
  const gates = data.gates.flatMap((gate, i) =>
    draft.gates[i] !== data.settings.gates[i] || has(gate.key) ? [`        ${nameOf(gate.key)}: ${draft.gates[i]}`] : [],
  )
  if (gates.length > 0) lines.push("      gates:", ...gates)
  if (lines.length === 0) return ""
  return ["cameras:", `  - name: ${quoted(data.camera)}`, "    quality:", ...lines, ""].join("\n")
}


function ForFile({ data, draft, overridden }: { data: Calibration; draft: Draft; overridden: string[] }) {
  const text = yamlOf(data, draft, overridden)
  const lines = useRef<HTMLPreElement>(null)
  const [copied, setCopied] = useState("")
  if (!text) return null
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setCopied(text)
    } catch {
      getSelection()?.selectAllChildren(lines.current!) // without https: the user copies what is selected
    }
  }
  return (
    <details open={!overridden.length}>
      <summary>For the configuration file</summary>
      <p class="caption">
        Put these keys into the entry of camera {data.camera} in the configuration file; facesieve applies them when the
        file is stored.{overridden.length > 0 && " What is saved here replaces them until it is undone."}
      </p>
      <div class="yaml">
        <pre ref={lines} tabIndex={0}>
          {text}
        </pre>
        <button type="button" onClick={copy}>
          {copied === text ? "Copied" : "Copy"}
        </button>
      </div>
    </details>
  )
}
