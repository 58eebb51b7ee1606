import type { Overview } from '../migrate/index.js';

/** Of `migrate status`, what the doctor judges. */
export type ServerOverview = Pick<Overview, 'findings'> & {
  readonly migrations: readonly Pick<Overview['migrations'][number], 'name' | 'state' | 'detail'>[];
};
