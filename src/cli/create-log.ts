import { pino } from 'pino'
import type { Log, LogLevel } from '../log.ts'

/** A JSON log, one object a line, to a file (0600) or a descriptor (stderr by default: stdout belongs to results). */
export function createLog(
  options: {
    readonly level?: LogLevel
    readonly name?: string
    readonly fd?: number
    readonly file?: string
  } = {},
): Log {
  return pino(
    {
      level: options.level ?? 'info',
      base: options.name === undefined ? null : { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    pino.destination({ dest: options.file ?? options.fd ?? 2, sync: true, mode: 0o600 }),
  )
}
