"""Computing on numbers that stay encrypted: CKKS for real ones, BGV for whole ones.

`plan` finds parameters for a computation before anything is encrypted. The key holder makes a
`SecretKey` and exactly the `EvaluationKeys` that the plan lists, and encrypts; whoever computes
calls `Plan.run` or `evaluate` and sees ciphertexts alone; the key holder decrypts, privately or for
others to see.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.he.ciphertext import Ciphertext
    from confide.he.context import Context
    from confide.he.engine import Engine, NativeEngine
    from confide.he.evaluating import evaluate
    from confide.he.evaluator import Evaluator
    from confide.he.inputs import Input, Shared
    from confide.he.keys import EvaluationKeys, PublicKey, SecretKey
    from confide.he.layout import Layout
    from confide.he.matrix import EncryptedMatrix
    from confide.he.parameters import Literal, Parameters, Scheme
    from confide.he.planfile import read_plan, write_plan
    from confide.he.planner import Plan, plan
    from confide.he.sealed import (
        SealedTable,
        SealedVector,
        decrypt_private,
        decrypt_shared,
        encrypt,
        encrypt_columns,
    )
    from confide.he.serial import (
        export_secret_key,
        import_secret_key,
        read_ciphertext,
        read_evaluation_keys,
        read_parameters,
        read_public_key,
        read_table,
        read_vector,
        write,
        write_parameters,
    )
    from confide.he.transform import PlainMatrix
    from confide.he.vector import EncryptedVector, concatenate

__all__ = [
    "Ciphertext",
    "Context",
    "EncryptedMatrix",
    "EncryptedVector",
    "Engine",
    "EvaluationKeys",
    "Evaluator",
    "Input",
    "Layout",
    "Literal",
    "NativeEngine",
    "Parameters",
    "PlainMatrix",
    "Plan",
    "PublicKey",
    "Scheme",
    "SealedTable",
    "SealedVector",
    "SecretKey",
    "Shared",
    "concatenate",
    "decrypt_private",
    "decrypt_shared",
    "encrypt",
    "encrypt_columns",
    "evaluate",
    "export_secret_key",
    "import_secret_key",
    "plan",
    "read_ciphertext",
    "read_evaluation_keys",
    "read_parameters",
    "read_plan",
    "read_public_key",
    "read_table",
    "read_vector",
    "write",
    "write_parameters",
    "write_plan",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.he.ciphertext": ("Ciphertext",),
            "confide.he.context": ("Context",),
            "confide.he.engine": ("Engine", "NativeEngine"),
            "confide.he.evaluating": ("evaluate",),
            "confide.he.evaluator": ("Evaluator",),
            "confide.he.inputs": ("Input", "Shared"),
            "confide.he.keys": ("EvaluationKeys", "PublicKey", "SecretKey"),
            "confide.he.layout": ("Layout",),
            "confide.he.matrix": ("EncryptedMatrix",),
            "confide.he.parameters": ("Literal", "Parameters", "Scheme"),
            "confide.he.planfile": ("read_plan", "write_plan"),
            "confide.he.planner": ("Plan", "plan"),
            "confide.he.sealed": (
                "SealedTable",
                "SealedVector",
                "decrypt_private",
                "decrypt_shared",
                "encrypt",
                "encrypt_columns",
            ),
            "confide.he.serial": (
                "export_secret_key",
                "import_secret_key",
                "read_ciphertext",
                "read_evaluation_keys",
                "read_parameters",
                "read_public_key",
                "read_table",
                "read_vector",
                "write",
                "write_parameters",
            ),
            "confide.he.transform": ("PlainMatrix",),
            "confide.he.vector": ("EncryptedVector", "concatenate"),
        },
    )
