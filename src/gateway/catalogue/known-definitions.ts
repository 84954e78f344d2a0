import type { OctetRoom } from '../../shares.ts'
import type { Definition } from './definition.ts'

interface Bounds {
  readonly toolsMax: number
  /** Of all definitions together. */
  readonly octetsMax: number
}

/** What one takes beside its octets: small ones are more than these. */
const besideOctets = 512

/**
 * The definitions of one server by the names of their tools, as many and as large as may be kept, and as there is room for beside those
 * of other servers. One for which there is none is not known, and neither is the one before it: whoever calls the tool makes the gateway
 * ask its server.
 */
export class KnownDefinitions {
  readonly #bounds: Bounds
  readonly #room: OctetRoom
  readonly #byName = new Map<string, Definition>()
  #octets = 0

  constructor(bounds: Bounds, room: OctetRoom) {
    this.#bounds = bounds
    this.#room = room
  }

  get(name: string): Definition | undefined {
    return this.#byName.get(name)
  }

  /** False: there is no room. */
  keep(definition: Definition): boolean {
    const { name, octets } = definition
    const before = this.#byName.get(name)
    if (before === definition) return true
    if (before !== undefined) this.#forget(before)
    const { toolsMax, octetsMax } = this.#bounds
    if (this.#byName.size >= toolsMax || this.#octets + octets.length > octetsMax) return false
    if (this.#room.take(octets.length + besideOctets) !== undefined) return false
    this.#byName.set(name, definition)
    this.#octets += octets.length
    return true
  }

  /** False: there is no room for all of them. */
  keepEach(definitions: readonly Definition[]): boolean {
    let isRoom = true
    for (const definition of definitions) isRoom = this.keep(definition) && isRoom
    return isRoom
  }

  /** Of a tool that has changed, what it was before too. */
  forgetOthers(definitions: readonly Definition[]): void {
    const known = new Set(definitions)
    for (const each of this.#byName.values()) if (!known.has(each)) this.#forget(each)
  }

  #forget({ name, octets }: Definition): void {
    this.#byName.delete(name)
    this.#octets -= octets.length
    this.#room.give(octets.length + besideOctets)
  }
}
