import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Unreadable } from './read-object.ts'

/** Beyond so many names the others count as without one, and only a list tells of them. */
const namesMax = 1000

/** Which objects of one resource are there and cannot be read: counted each time, named in the log when it begins. */
export class UnreadableObjects {
  readonly #plural: string
  readonly #log: Log
  readonly #metrics: Metrics
  #keys = new Set<string>()

  constructor(options: { readonly plural: string; readonly log: Log; readonly metrics: Metrics }) {
    this.#plural = options.plural
    this.#log = options.log
    this.#metrics = options.metrics
  }

  /** By `namespace/name`; an empty one is without a readable name. */
  get keys(): ReadonlySet<string> {
    return this.#keys
  }

  /** For people; undefined where there are none. */
  get summary(): string | undefined {
    if (this.#keys.size === 0) return undefined
    const some = [...this.#keys].slice(0, 3).map((key) => key || 'one without a name')
    return `${this.#keys.size} of them cannot be read, such as ${some.join(', ')}`
  }

  note(unreadable: Unreadable): void {
    this.#note(unreadable, this.#keys)
  }

  /** It can be read again, or is gone. True where it could not before. */
  clear(key: string): boolean {
    return this.#keys.delete(key)
  }

  /** Takes what a whole list showed. True where there are some, or were. */
  replace(found: readonly Unreadable[]): boolean {
    const before = this.#keys
    this.#keys = new Set()
    for (const unreadable of found) this.#note(unreadable, before)
    return this.#keys.size > 0 || before.size > 0
  }

  #note({ key, error }: Unreadable, known: ReadonlySet<string>): void {
    this.#metrics.count('countersign_watch_malformed_total', { resource: this.#plural })
    const fields = { resource: this.#plural, name: key, error }
    if (known.has(key) || this.#keys.has(key)) {
      this.#log.debug(fields, 'object still cannot be read')
    } else {
      this.#log.error(fields, 'object cannot be read')
    }
    this.#keys.add(this.#keys.size < namesMax ? key : '')
  }
}
