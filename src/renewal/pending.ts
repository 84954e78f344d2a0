/** A request that was sent, or is about to be: with its key, which is nowhere else. */
export interface Pending {
  readonly name: string
  readonly privateKeyPem: string
  /** Digest of what is asked for. */
  readonly asked: string
}

/** Where it stands from before it is sent until its answer is taken. */
export interface PendingStore {
  pending(): Promise<Pending | undefined>
  keepPending(pending: Pending | undefined): Promise<void>
}

export function formatPending({ name, privateKeyPem, asked }: Pending): string {
  return JSON.stringify({ name, privateKeyPem, asked })
}

/** Undefined where it is none, half written by whoever wrote over it: its key is lost, and another request is made. */
export function parsePending(text: string): Pending | undefined {
  try {
    const { name, privateKeyPem, asked } = JSON.parse(text) as Partial<Pending>
    if (typeof name === 'string' && typeof privateKeyPem === 'string' && typeof asked === 'string')
      return { name, privateKeyPem, asked }
  } catch {
    // Said above.
  }
  return undefined
}
