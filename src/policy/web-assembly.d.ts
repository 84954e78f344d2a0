/** What we use of WebAssembly: Node has it, the library files of the language and of Node's types have not. */
declare namespace WebAssembly {
  /** Compiled once, instantiated often. */
  interface Module {
    readonly brand: unique symbol
  }
  class Memory {
    /** In pages of 64 KiB. */
    constructor(size: { readonly initial: number; readonly maximum: number })
    /** Another one after each growth. */
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  class Instance {
    constructor(
      module: Module,
      imports: {
        readonly env: Readonly<Record<string, Memory | ((...values: number[]) => number | void)>>
      },
    )
    readonly exports: Readonly<Record<string, unknown>>
  }
  function compile(octets: Uint8Array): Promise<Module>
}
