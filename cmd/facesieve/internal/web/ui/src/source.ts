import { createContext } from "preact"
import { faceAddress, load } from "./api"

// Source answers the requests of the views: the server, or the data in a report.
export interface Source {
  live: boolean // false: the answers do not change
  load<T>(address: string): Promise<T | null> // null: nothing newer
  face(number: number): string // address of a picture
}

export const server: Source = { live: true, load, face: faceAddress }

export const SourceContext = createContext<Source>(server)
