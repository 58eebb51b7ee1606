import type { EngineName } from './engines/engine.js';
import type { EngineWorld, Mode, OpenTabs } from './world.js';

/** What may happen to the tabs of one browser, and what must come of it: for any engine and storage mode. */
export interface Scenario {
  readonly name: string;
  /** All, if not given. */
  readonly modes?: readonly Mode[];
  /** How many tabs are open when it begins; any number, if not given. */
  readonly tabs?: number;
  /** Of the n-th page's address. */
  readonly query?: (n: number) => string;
  /** Which engines can't play it, and why. */
  readonly lacks?: Partial<Record<EngineName, string>>;
  run(world: EngineWorld, mode: Mode, tabs: OpenTabs): Promise<void>;
}
