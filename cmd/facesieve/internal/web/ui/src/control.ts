import type { ControlState, Override } from "./api"

// What the page may change, and how.
export interface Control {
  state: ControlState
  overridden: string[] // keys of this camera
  save: (override: Override) => Promise<void>
  undo: () => Promise<void>
}
