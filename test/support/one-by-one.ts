/** So many octets, each in a piece of its own as HTTP chunks of one octet give them. */
export function* oneByOne(octets: number): Generator<Buffer> {
  for (let each = 0; each < octets; each += 1) yield Buffer.allocUnsafeSlow(1).fill(0x20)
}

/** Mebibytes that the process holds after some work more than before it, what nobody has collected yet among them. */
export async function memoryDuring(work: () => void | Promise<void>): Promise<number> {
  const before = held()
  await work()
  return Math.round((held() - before) / 1024 / 1024)
}

function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
