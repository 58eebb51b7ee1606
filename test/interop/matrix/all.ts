import { bodyCases } from './bodies.js';
import type { Case } from './case.js';
import { slidingCases } from './sliding.js';
import { tokenCases } from './tokens.js';
import { userCases } from './users.js';

export const cases: readonly Case[] = [...bodyCases, ...tokenCases, ...userCases, ...slidingCases];
