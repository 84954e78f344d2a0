import { refusedBundle as refused } from './bundle-content.ts'

/** Ids of sections (WebAssembly core specification, 5.5.2). */
const section = { table: 4, memory: 5 } as const

/** Far more functions than the rules of a policy have. */
const tableEntriesMax = 65_536

/**
 * Looks at what a module takes of memory beside the one that it is given, which has a limit: no limit of the heap counts it, and a start
 * function uses it before anything can be asked. OPA's modules have no memory of their own and one table, which cannot grow. Of octets that
 * `WebAssembly` has taken for a module. Throws `policy/bundle`.
 */
export function checkModuleMemory(wasm: Uint8Array): void {
  const reader = createReader(wasm)
  let entries = 0
  while (!reader.isAtEnd()) {
    const id = reader.octet()
    const end = reader.unsigned() + reader.at()
    if (id === section.memory && reader.unsigned() > 0) {
      throw refused('policy.wasm has a memory of its own, want=env.memory alone')
    }
    if (id === section.table) entries += entriesOf(reader)
    reader.goTo(end)
  }
  if (entries > tableEntriesMax) {
    throw refused(`tables of policy.wasm are too large, want=..${tableEntriesMax} got=${entries}`)
  }
}

type Reader = ReturnType<typeof createReader>

/** The most that all tables together can come to hold. */
function entriesOf(reader: Reader): number {
  let entries = 0
  for (let left = reader.unsigned(); left > 0; left -= 1) {
    const [type, limits] = [reader.octet(), reader.octet()]
    // A reference to a function, and limits that have a maximum.
    if (type !== 0x70 || limits !== 1) {
      throw refused('policy.wasm has a table that is none of functions, or that may grow for ever')
    }
    reader.unsigned()
    entries += reader.unsigned()
  }
  return entries
}

function createReader(octets: Uint8Array): {
  at(): number
  goTo(position: number): void
  isAtEnd(): boolean
  octet(): number
  /** LEB128. */
  unsigned(): number
} {
  // Behind magic and version.
  let position = 8
  const octet = (): number => {
    const value = octets[position]
    if (value === undefined) throw refused('policy.wasm ends early')
    position += 1
    return value
  }
  return {
    at: () => position,
    goTo(to) {
      position = to
    },
    isAtEnd: () => position >= octets.length,
    octet,
    unsigned() {
      let value = 0
      for (let shift = 0; shift < 35; shift += 7) {
        const next = octet()
        value += (next & 0x7f) * 2 ** shift
        if (next < 0x80) return value
      }
      throw refused('policy.wasm has a number of more than 32 bits')
    },
  }
}
