import type { Definition } from './definition.ts'

interface Bounds {
  readonly toolsMax: number
  /** Of all definitions together. */
  readonly octetsMax: number
}

/**
 * The definitions of one server by the names of their tools, as many and as large as may be kept. One for which there is no room is not
 * known, and neither is the one before it: whoever calls the tool makes the gateway ask its server.
 */
export class KnownDefinitions {
  readonly #bounds: Bounds
  readonly #byName: Map<string, Definition>
  #octets: number

  /** With what another one knows, where it is given. */
  constructor(bounds: Bounds, from?: KnownDefinitions) {
    this.#bounds = bounds
    this.#byName = new Map(from === undefined ? [] : from.#byName)
    this.#octets = from === undefined ? 0 : from.#octets
  }

  get(name: string): Definition | undefined {
    return this.#byName.get(name)
  }

  keep(definition: Definition): void {
    const { name, octets } = definition
    const before = this.#byName.get(name)
    if (before === definition) return
    if (before !== undefined) {
      this.#byName.delete(name)
      this.#octets -= before.octets.length
    }
    const { toolsMax, octetsMax } = this.#bounds
    if (this.#byName.size >= toolsMax || this.#octets + octets.length > octetsMax) return
    this.#byName.set(name, definition)
    this.#octets += octets.length
  }
}
