import { inGroup, toggle } from './option.js';
import { SHARED_OPTIONS } from './shared-options.js';
import { USER_OPTIONS } from './user-options.js';

/** All that `dead-letters` takes. */
export const DEAD_LETTERS_OPTIONS = {
  ...inGroup('This run', {
    all: toggle({ help: 'all letters, in place of their ids' }),
    yes: toggle({ help: 'with drop: do it; without this only what it means is shown', typed: true }),
  }),
  ...USER_OPTIONS,
  ...SHARED_OPTIONS,
};
