import { CountersignError } from '../errors.ts'

/** Checked here and not by Commander, which would say so of `--confg`, too. `command`: whose `--help` says more, such as `tools`. */
export function requiredFile(file: string | undefined, command?: string): string {
  if (file !== undefined) return file
  const hint = command === undefined ? 'countersign --help' : `countersign ${command} --help`
  throw new CountersignError('cli/usage', "required option '--config <file>' not specified", {
    hint,
  })
}
