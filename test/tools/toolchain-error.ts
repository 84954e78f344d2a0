/** A build that cannot be done on this machine as it is, with what to do about it. */
export class ToolchainError extends Error {
  override readonly name = 'ToolchainError'
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}
