// For `node --import`: says which modules a process has loaded, each in a line of the file that LOADED_MODULES names.
import { register } from 'node:module';

if (process.env.LOADED_MODULES !== undefined) register(new URL('loaded-modules-hook.mjs', import.meta.url));
