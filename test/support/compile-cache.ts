// The test runner starts a process a file; each finds the modules that another has compiled (and stripped of types) already.
import { enableCompileCache } from 'node:module'

enableCompileCache()
