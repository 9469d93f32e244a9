// Gives a function's `lambda` the types of its event, although its author writes none: what
// TypeScript has parsed gets the node of a comment `/** @type {HoustonLambda} */` in front of it.
// The text stays as it is, so every line and column does too. Used by worker.js and by the tests.

export const LAMBDA_TYPE = "HoustonLambda";

// Source files as TypeScript keeps them, with the types in those of functions.
export function annotatedDocuments(ts) {
  const documents = ts.createDocumentRegistry();
  const annotated = (file) => {
    if (/\.js$/.test(file.fileName)) annotate(ts, file);
    return file;
  };
  return {
    ...documents,
    acquireDocumentWithKey: (...given) => annotated(documents.acquireDocumentWithKey(...given)),
    updateDocumentWithKey: (...given) => annotated(documents.updateDocumentWithKey(...given)),
  };
}

export function annotate(ts, file) {
  // It is bound once; what comes later would not be seen any more.
  if (file.annotated) return;
  file.annotated = true;
  for (const host of file.statements) {
    const lambda = lambdaOf(ts, host, file);
    if (lambda && !isTyped(host, lambda)) addType(ts, host, file);
  }
}

// The function that a statement makes the lambda, if it does.
function lambdaOf(ts, statement, file) {
  if (ts.isFunctionDeclaration(statement)) {
    const isDefault = statement.modifiers?.some(({ kind }) =>
      kind === ts.SyntaxKind.DefaultKeyword
    );
    return statement.name?.text === "lambda" || isDefault ? statement : null;
  }
  if (ts.isVariableStatement(statement)) {
    const [declared, ...others] = statement.declarationList.declarations;
    return declared?.name.text === "lambda" && others.length === 0
      ? asFunction(ts, declared)
      : null;
  }
  if (!ts.isExpressionStatement(statement)) return null;
  const { expression } = statement;
  if (!ts.isBinaryExpression(expression)) return null;
  const isLambda = /^(module\.)?exports\.lambda$|^module\.exports$/.test(
    expression.left.getText(file),
  );
  return isLambda ? asFunction(ts, { initializer: expression.right }) : null;
}

function asFunction(ts, { initializer }) {
  const isFunction = initializer &&
    (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer));
  return isFunction ? initializer : null;
}

// What authors write themselves counts.
function isTyped(host, lambda) {
  return lambda.parameters.length > 2 ||
    [host, lambda].some((node) =>
      node.jsDoc?.some(({ tags }) =>
        tags?.some(({ tagName }) =>
          /^(type|param|arg|argument|returns?|template|callback|overload|this)$/.test(tagName.text)
        )
      )
    );
}

function addType(ts, host, file) {
  const { factory } = ts;
  const type = factory.createJSDocTypeExpression(factory.createTypeReferenceNode(LAMBDA_TYPE));
  const tag = factory.createJSDocTypeTag(undefined, type);
  const comment = host.jsDoc?.at(-1);
  // As wide as a character, for what is nowhere counts as missing.
  const pos = comment ? comment.pos : host.getStart(file);
  place(ts, tag, { pos, end: pos + 1 });
  if (comment) {
    const tags = [...(comment.tags ?? []), tag];
    comment.tags = ts.setTextRange(factory.createNodeArray(tags), comment);
    tag.parent = comment;
    return;
  }
  const made = factory.createJSDocComment(undefined, [tag]);
  place(ts, made, { pos, end: pos + 1 });
  made.parent = host;
  host.jsDoc = [made];
}

function place(ts, node, range) {
  ts.setTextRange(node, range);
  ts.forEachChild(node, (child) => {
    child.parent = node;
    place(ts, child, range);
  });
}
