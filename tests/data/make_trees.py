"""Trees as XGBoost's own library stores them, with what it answers: trees_binary.json, trees_classes.json and
trees_answers.json. Made with xgboost 3.2.0 and numpy 2; run in this folder."""

import json

import numpy as np
import xgboost

COLUMNS = 96
rng = np.random.default_rng(7)
x = rng.normal(size=(1500, COLUMNS)).astype(np.float32)
x[rng.random(x.shape) < 0.1] = np.nan
known = np.nan_to_num(x)
score = known[:, 0] + known[:, 1] * known[:, 2] - 0.5 * known[:, 3]
binary = (score > 0.4).astype(int)
classes = np.digitize(score, [-0.5, 0.7])
common = dict(max_depth=3, eta=0.3, tree_method="hist", max_bin=32, colsample_bytree=0.5, seed=3)


def train(labels, rounds, **more):
    return xgboost.train({**common, **more}, xgboost.DMatrix(x, labels), rounds)


one = train(binary, 12, objective="binary:logistic")
several = train(classes, 5, objective="multi:softprob", num_class=3)
one.save_model("trees_binary.json")
several.save_model("trees_classes.json")
rows = x[:25]
asked = xgboost.DMatrix(rows)
answers = dict(
    rows=[[None if np.isnan(value) else float(value) for value in row] for row in rows],
    binary=one.predict(asked, output_margin=True).astype(float).tolist(),
    classes=several.predict(asked, output_margin=True).astype(float).tolist(),
)
with open("trees_answers.json", "w") as file:
    json.dump(answers, file)
