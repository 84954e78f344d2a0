import { CountersignError, quoted } from '../errors.ts'

const causes: Readonly<Record<string, readonly [got: string, hint: string]>> = {
  EADDRINUSE: ['a port that is taken', 'stop the program that has it, or configure another port'],
  EACCES: ['no permission for this port', 'configure a port of 1024 or higher'],
  EADDRNOTAVAIL: ['an address that is not of this machine', 'configure 0.0.0.0 or 127.0.0.1'],
  ENOTFOUND: ['a host name that is not known', 'configure an address of this machine'],
  EAI_AGAIN: ['a host name that cannot be looked up', 'configure an address of this machine'],
}

/** Opens a listener; when its address cannot be had, says which field of the configuration gave it. Throws `cli/listen`. */
export async function listening<T>(
  field: 'admin' | 'listen' | 'bundleEndpoint',
  { host, port }: { readonly host: string; readonly port: number },
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    const known = causes[code]
    if (known === undefined) throw cause
    const [got, hint] = known
    throw new CountersignError('cli/listen', `${field}: ${quoted(`${host}:${port}`)}: ${got}`, {
      hint: `${hint}: ${field}.host, ${field}.port`,
    })
  }
}
