import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const CLIENT = fileURLToPath(new URL('../../src/client/', import.meta.url));
const isOurs = (node: ts.Node): boolean => node.getSourceFile().fileName.startsWith(CLIENT);
const isUnknown = (type: ts.Type): boolean => (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0;

/**
 * The names of properties that nothing outside of the browser's files ever sees, by the types: each is declared in
 * src/client wherever it is used, and is neither of the package's interface nor of anything stored, sent or received.
 */
export function innerNames(): Set<string> {
  const all = [
    names('tsconfig.json', 'token-manager.ts'),
    names('tsconfig.json', 'idle.ts'),
    names('tsconfig.json', 'worker.ts'),
    names('worker/tsconfig.json', 'worker/service-worker.ts'),
  ];
  const outer = new Set(all.flatMap((one) => one.outer));
  return new Set(all.flatMap((one) => one.inner).filter((name) => !outer.has(name)));
}

function names(config: string, main: string): { inner: string[]; outer: string[] } {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(CLIENT + config, (path) => ts.sys.readFile(path)).config,
    ts.sys,
    fileURLToPath(new URL('.', new URL(config, `file://${CLIENT}`))),
  );
  const program = ts.createProgram([CLIENT + main], options);
  const checker = program.getTypeChecker();
  const files = program.getSourceFiles().filter(isOurs);
  const outer = new Set<ts.Declaration>();
  const met = new Set<ts.Type>();

  /** Whoever gets a value of this type gets all that can be reached from it. */
  const leaves = (type: ts.Type): void => {
    if (met.has(type)) return;
    met.add(type);
    if (type.isUnionOrIntersection()) type.types.forEach(leaves);
    checker.getTypeArguments(type as ts.TypeReference).forEach(leaves);
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
      leaves(signature.getReturnType());
      for (const parameter of signature.parameters) leaves(checker.getTypeOfSymbol(parameter));
    }
    for (const property of type.getProperties()) {
      const declarations = (property.declarations ?? []).filter(
        (one) => isOurs(one) && !ts.isPrivateIdentifier(ts.getNameOfDeclaration(one)!),
      );
      if (declarations.length > 0) leaves(checker.getTypeOfSymbol(property));
      for (const one of declarations) outer.add(one);
    }
  };
  const each = (node: ts.Node, visit: (node: ts.Node) => void): void => {
    visit(node);
    node.forEachChild((child) => each(child, visit));
  };

  const entry = checker.getSymbolAtLocation(program.getSourceFile(CLIENT + main)!);
  for (const exported of entry ? checker.getExportsOfModule(entry) : []) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    leaves(checker.getDeclaredTypeOfSymbol(symbol));
    if (symbol.valueDeclaration) leaves(checker.getTypeOfSymbol(symbol));
  }
  for (const file of files) {
    each(file, (node) => {
      // Into a parameter that takes anything, such as postMessage's; and out of something unknown.
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const parameters = checker.getResolvedSignature(node)?.parameters ?? [];
        node.arguments?.forEach((argument, n) => {
          const parameter = parameters[n];
          if (parameter && isUnknown(checker.getTypeOfSymbol(parameter)))
            leaves(checker.getTypeAtLocation(argument));
        });
      }
      if (ts.isAsExpression(node)) {
        const [from, to] = [node.expression, node].map((one) => checker.getTypeAtLocation(one));
        // What is said of a type that isn't ours is no declaration of ours either.
        if (isUnknown(from!) || !from!.getSymbol()?.declarations?.every(isOurs)) leaves(to!);
      }
    });
  }

  const found = { inner: [] as string[], outer: [] as string[] };
  const note = (name: ts.Node, symbol: ts.Symbol | undefined): void => {
    const declarations = symbol?.declarations ?? [];
    const inner = declarations.length > 0 && declarations.every((one) => isOurs(one) && !outer.has(one));
    found[inner ? 'inner' : 'outer'].push(name.getText());
  };
  for (const file of files) {
    each(file, (node) => {
      if (ts.isPropertyAccessExpression(node)) note(node.name, checker.getSymbolAtLocation(node.name));
      else if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
        const name = node.propertyName ?? node.name;
        note(name, checker.getTypeAtLocation(node.parent).getProperty(name.getText()));
      } else if (
        ts.isObjectLiteralElementLike(node) &&
        node.name &&
        ts.isObjectLiteralExpression(node.parent)
      ) {
        const wanted = checker.getContextualType(node.parent);
        const name = node.name.getText();
        const members = (wanted?.isUnion() ? wanted.types : [wanted]).map((one) => one?.getProperty(name));
        const known = members.filter((one) => one !== undefined);
        if (wanted === undefined) note(node.name, checker.getSymbolAtLocation(node.name));
        else for (const one of known.length > 0 ? known : [undefined]) note(node.name, one);
      } else if (ts.isTypeElement(node) || ts.isClassElement(node)) {
        if (node.name) note(node.name, checker.getSymbolAtLocation(node.name));
      }
    });
  }
  return found;
}
